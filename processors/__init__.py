"""Pixels in, pixels out: `read` a picture, `restore` it, `write` it; see `processors.library`.

Those are imported, and torch with them, when they are first asked for: other processes import
from this package what knows no torch.
"""

import importlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from processors.library import Result, read, restore, write

__all__ = ["Result", "read", "restore", "write"]

# Threads of OpenMP that wait for one another sleep, and do not spin: with other processes on the
# same cores, as everywhere here, a network took up to five times as long when they spun, and no
# less when nothing else ran. Read when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("processors.library"), name)
