"""Trying again while the store is away."""

import time
from collections.abc import Callable
from typing import TypeVar

from infra.stored_objects import StoreUnavailable

R = TypeVar("R")

_PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)


def patiently(call: Callable[[], R]) -> R:
    """Return what `call` returns, calling again while the store is away, for about 16 s.

    Raises the last `StoreUnavailable`, and at once whatever else `call` raises.
    """
    for pause in _PAUSES_S:
        try:
            return call()
        except StoreUnavailable:
            time.sleep(pause)
    return call()
