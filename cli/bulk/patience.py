"""Trying again while the store is away."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from infra.stored_objects import StoreUnavailable

R = TypeVar("R")

PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)


def patiently(call: Callable[[], R], pauses_s: Sequence[float] = PAUSES_S) -> R:
    """Return what `call` returns, calling again after each pause while the store is away.

    With the usual pauses that is about 16 s. Raises the last `StoreUnavailable`, and at
    once whatever else `call` raises.
    """
    for pause in pauses_s:
        try:
            return call()
        except StoreUnavailable:
            time.sleep(pause)
    return call()
