"""A step that takes too long under its lock."""

from alembic import op

from infra.schema_version import KNOWN

revision = "0911"
down_revision = KNOWN[-1]
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Lock a table and dally."""
    op.execute("ALTER TABLE outbox ADD COLUMN dallied text")
    op.execute("SELECT pg_sleep(5)")
