"""How alembic runs the steps: one connection, one lock, a transaction for each step."""

from alembic import context
from sqlalchemy import create_engine, make_url, pool, text

# Any number will do, as long as nothing else in this database locks it.
_LOCK = 7_226_331_901


def run() -> None:
    """Run the steps that are missing, alone."""
    url = make_url(context.config.attributes["url"]).set(drivername="postgresql+psycopg")
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
        connection.commit()
        try:
            context.configure(
                connection=connection, target_metadata=None, transaction_per_migration=True
            )
            with context.begin_transaction():
                context.run_migrations()
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
            connection.commit()


run()
