"""Bringing a database's schema up to date, with errors that say what to do."""

from sqlalchemy.exc import OperationalError, SQLAlchemyError

from infra import migrations
from infra.migrations import LockedOutError, Tell, TooSlowError
from infra.stack.errors import StackError


def upgrade_schema(owner_url: str, *, tell: Tell | None = None) -> None:
    """Bring a database's schema to the newest, as its owner. Raises `StackError`."""
    try:
        migrations.upgrade(owner_url, tell=tell)
    except (LockedOutError, TooSlowError) as error:
        raise StackError(f"the schema is not the newest: {error}") from error
    except OperationalError as error:
        raise StackError(f"cannot migrate, Postgres does not answer: {error}") from error
    except SQLAlchemyError as error:
        raise StackError(
            f"a migration failed, the steps before it are in force: {error}"
        ) from error
