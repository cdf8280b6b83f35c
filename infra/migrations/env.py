"""How alembic runs the steps: one connection, one lock, a transaction for each step."""

from collections.abc import Callable
from typing import Any

from alembic import context
from sqlalchemy import create_engine, make_url, pool, text

from infra.migrations import Patience
from infra.migrations.limits import set_time_limits

# Any number will do, as long as nothing else in this database locks it.
_LOCK = 7_226_331_901


def run() -> None:
    """Run the steps that are missing, alone."""
    attributes = context.config.attributes
    url = make_url(attributes["url"]).set(drivername="postgresql+psycopg")
    patience: Patience = attributes["patience"]
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        # Before the limits: whoever migrates at this moment is waited for.
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
        set_time_limits(connection, lock_s=patience.lock_s, statement_s=patience.statement_s)
        connection.commit()
        try:
            context.configure(
                connection=connection,
                target_metadata=None,
                transaction_per_migration=True,
                on_version_apply=_telling(attributes["tell"]),
            )
            with context.begin_transaction():
                context.run_migrations()
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
            connection.commit()


def _telling(tell: Callable[[str], None]) -> Callable[..., None]:
    def applied(*, step: Any, **_: object) -> None:
        tell(f"{step.up_revision_id}: {step.up_revision.doc}")

    return applied


run()
