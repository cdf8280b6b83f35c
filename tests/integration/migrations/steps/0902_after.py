"""A step behind one that left its transaction."""

from alembic import op

revision = "0902"
down_revision = "0901"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Note under which limits it ran."""
    op.execute(
        "CREATE TABLE limits AS SELECT current_setting('lock_timeout') AS lock_s,"
        " current_setting('statement_timeout') AS statement_s"
    )
