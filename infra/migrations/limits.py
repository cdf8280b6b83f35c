"""What a step of the schema may do to others' patience, and how it asks for more."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import op
from sqlalchemy import Connection, text

__all__ = ["outside_transaction", "set_time_limits"]


def set_time_limits(connection: Connection, *, lock_s: float, statement_s: float) -> None:
    """Bound, in seconds, each wait for a lock and each statement of a session; 0 is no bound."""
    for name, seconds in (("lock_timeout", lock_s), ("statement_timeout", statement_s)):
        connection.execute(
            text("SELECT set_config(:name, :value, false)"),
            {"name": name, "value": f"{int(seconds * 1000)}ms"},
        )


@contextmanager
def outside_transaction() -> Iterator[None]:
    """Let a step do what takes long and holds nobody up, outside any transaction, unbounded.

    For `CREATE INDEX CONCURRENTLY`, `VALIDATE CONSTRAINT` and the filling of a new column in
    small parts. What is done here stays done when the step fails behind it, and is done again
    by the next try: it must bear that, as `CREATE INDEX CONCURRENTLY IF NOT EXISTS` does behind
    a `DROP INDEX CONCURRENTLY IF EXISTS`.
    """
    connection = op.get_bind()
    before = {
        name: str(connection.execute(text(f"SHOW {name}")).scalar_one())
        for name in ("lock_timeout", "statement_timeout")
    }
    with op.get_context().autocommit_block():
        set_time_limits(op.get_bind(), lock_s=0, statement_s=0)
        try:
            yield
        finally:
            for name, value in before.items():
                op.get_bind().execute(
                    text("SELECT set_config(:name, :value, false)"), {"name": name, "value": value}
                )
