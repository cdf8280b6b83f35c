"""The schema of the database, as one line of numbered steps in raw SQL.

Steps run while processes of the version before them work: see `docs/decisions`, expand and
contract. So none waits long for a lock, since whatever comes behind one that waits for a
table waits too: it gives up after `Patience.lock_s`, and is tried again after a pause.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from psycopg import errors
from sqlalchemy.exc import DBAPIError

from infra.schema_version import STEPS

__all__ = ["LockedOutError", "Patience", "Tell", "TooSlowError", "upgrade"]

_HERE: Final = Path(__file__).parent

Tell = Callable[[str], None]
"""Told each step that was done, and each pause, in one line."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a step may hold others up, in seconds, and how often it is tried.

    A step that waits for a lock makes everybody behind it wait as well, so `lock_s` is short;
    `statement_s` bounds what a step does while it has its locks. Between two tries it pauses
    `first_pause_s`, then twice that, and so on up to `longest_pause_s`.
    """

    lock_s: float = 2.0
    statement_s: float = 15.0
    tries: int = 10
    first_pause_s: float = 1.0
    longest_pause_s: float = 15.0

    def pauses(self) -> list[float]:
        """Return how long to pause after each try but the last."""
        return [
            min(self.longest_pause_s, self.first_pause_s * 2**place)
            for place in range(self.tries - 1)
        ]


class LockedOutError(Exception):
    """A step never got its lock; the steps before it are in force, and nothing of it is."""


class TooSlowError(Exception):
    """A step took too long while it held its locks; nothing of it is in force."""


def upgrade(
    url: str,
    *,
    tell: Tell | None = None,
    patience: Patience | None = None,
    steps: Sequence[Path] = (STEPS,),
    to: str = "head",
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Bring the database at `url` to the newest schema, or to the version `to`.

    Nothing happens if it is there.

    `url` is that of the schema's owner. Several processes may do this at once: one works,
    the others wait for it. Each step is one transaction, so a step that fails leaves the
    steps before it in force. `steps` are the folders that hold them.

    Raises `LockedOutError` when a lock was not to be had in all tries, `TooSlowError`, and
    else what the step raised.
    """
    allowed = patience or Patience()
    report = tell or (lambda _: None)
    config = _config(url, report, allowed, steps)
    for pause in [*allowed.pauses(), None]:
        try:
            command.upgrade(config, to)
        except DBAPIError as error:
            match error.orig:
                case errors.LockNotAvailable():
                    if pause is None:
                        raise LockedOutError(_locked_out(allowed)) from error
                    report(
                        f"a lock was not to be had within {allowed.lock_s:g} s;"
                        f" trying again in {pause:g} s"
                    )
                    sleep(pause)
                case errors.QueryCanceled():
                    raise TooSlowError(
                        f"a step took more than {allowed.statement_s:g} s under its locks and was"
                        " undone; it must be split, or do its work outside a transaction"
                    ) from error
                case _:
                    raise
        else:
            return


def _config(url: str, tell: Tell, patience: Patience, steps: Sequence[Path]) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option(
        "version_locations", "\n".join(str(folder).replace("%", "%%") for folder in steps)
    )
    config.attributes.update(url=url, tell=tell, patience=patience)
    return config


def _locked_out(patience: Patience) -> str:
    return (
        f"a lock was not to be had in {patience.tries} tries of {patience.lock_s:g} s: some"
        " transaction holds a table that the step changes. Find it in pg_stat_activity by the"
        " oldest xact_start, end it or wait for it, and call `picmend migrate` again; the steps"
        " before are in force, and processes go on meanwhile"
    )
