"""How a process tells whoever started it that it works."""

import os
from pathlib import Path
from typing import Final

VARIABLE: Final = "PICMEND_READY_FILE"
"""Names the file that a process writes once it does its work; it is removed before a start."""


def tell() -> None:
    """Write the file that `PICMEND_READY_FILE` names, if it names one."""
    if path := os.environ.get(VARIABLE):
        Path(path).write_text(f"{os.getpid()}\n", encoding="utf-8")
