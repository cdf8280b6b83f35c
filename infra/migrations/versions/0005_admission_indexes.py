"""Admission: indexes of the line with priorities, of review, and of jobs by their picture."""

from alembic import op

from infra.migrations.limits import outside_transaction

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_INDEXES = {
    "jobs_line": "(operation, account_id, priority DESC, seq) WHERE state = 'queued'",
    "jobs_in_review": "(account_id) WHERE state = 'review'",
    "jobs_by_picture": "(source_etag, account_id)",
    "jobs_by_content": "(source_sha256, account_id) WHERE source_sha256 IS NOT NULL",
}


def upgrade() -> None:
    """Build them beside the jobs that move meanwhile, and take away what `jobs_line` replaces.

    A dispatcher of the version before finds its jobs by `jobs_line` too, and sorts them.
    """
    with outside_transaction():
        for name, columns in _INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON jobs {columns}")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS jobs_queued")
