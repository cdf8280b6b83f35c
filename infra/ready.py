"""How a process tells whoever started it that it works, and where its monitor is."""

import os
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

VARIABLE: Final = "PICMEND_READY_FILE"
"""Names the file that a process writes once it does its work; it is removed before a start."""


class Told(BaseModel):
    """What the file says: the process, and the host:port of its `/health` and `/metrics`."""

    model_config = ConfigDict(frozen=True)

    pid: int
    monitor: str


def tell(monitor: str) -> None:
    """Write the file that `PICMEND_READY_FILE` names, if it names one; whole or not at all."""
    if named := os.environ.get(VARIABLE):
        path = Path(named)
        new = path.with_name(f"{path.name}.{os.getpid()}")
        new.write_text(Told(pid=os.getpid(), monitor=monitor).model_dump_json(), encoding="utf-8")
        new.replace(path)


def read(path: Path) -> Told | None:
    """Return what a ready file says, or None when there is none, or none of this version."""
    try:
        return Told.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
