"""billing: the ledger, holds and usage, with the functions that alone may write them."""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_PARTS = (
    "0002_billing.sql",
    "0002_billing_functions.sql",
    "0002_billing_holds.sql",
    "0002_billing_grants.sql",
)


def upgrade() -> None:
    """Create the tables, what guards them, and what the application's role may call."""
    for part in _PARTS:
        op.execute(Path(__file__).with_name(part).read_text(encoding="utf-8"))
