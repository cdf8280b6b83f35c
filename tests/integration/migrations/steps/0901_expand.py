"""A step that adds: columns, a table, a rule, an index."""

from alembic import op

from infra.migrations.limits import outside_transaction
from infra.schema_version import KNOWN

revision = "0901"
down_revision = KNOWN[-1]
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what a next version would read, in ways that hold nobody up."""
    op.execute("ALTER TABLE jobs ADD COLUMN shade integer NOT NULL DEFAULT 0")
    op.execute("ALTER TABLE jobs ADD CONSTRAINT jobs_shade CHECK (shade >= 0) NOT VALID")
    op.execute("ALTER TABLE holds ADD COLUMN note text")
    op.execute("CREATE TABLE labels (job_id text PRIMARY KEY, label text NOT NULL)")
    with outside_transaction():
        op.execute("ALTER TABLE jobs VALIDATE CONSTRAINT jobs_shade")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS jobs_by_shade")
        op.execute("CREATE INDEX CONCURRENTLY jobs_by_shade ON jobs (shade, seq)")
