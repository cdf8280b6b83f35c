"""Every process may ask which version the schema has."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let the application's role read what alembic notes."""
    op.execute("GRANT SELECT ON public.alembic_version TO picmend_app")
