"""The schema of the database, as one line of numbered steps in raw SQL."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config

__all__ = ["upgrade"]

_HERE: Final = Path(__file__).parent


def upgrade(url: str) -> None:
    """Bring the database at `url` to the newest schema; nothing happens if it is there.

    `url` is that of the schema's owner. Several processes may do this at once: one works,
    the others wait for it. Each step is one transaction, so a step that fails leaves the
    steps before it in force. Raises what the step raised.
    """
    config = Config()
    config.set_main_option("script_location", str(_HERE).replace("%", "%%"))
    config.attributes["url"] = url
    command.upgrade(config, "head")
