"""A `Producer` that keeps what it was given, for tests without sockets.

It passes `tests/integration/streams/test_producer_promises.py`, as the real one does.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from infra.kafka import BrokerUnavailableError, Message

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_MESSAGE = 1024 * 1024


class RecordedProducer:
    """Stores in memory, in the order in which it was sent; `away` counts refused calls."""

    def __init__(self, *, away: int = 0) -> None:
        self.stored: list[Message] = []
        self._away = away
        self._lock = threading.Lock()

    def send_all(self, messages: Sequence[Message]) -> None:
        """See `infra.kafka.Producer`. A message of over 1 MiB raises `ValueError`."""
        with self._lock:
            if self._away:
                self._away -= 1
                raise BrokerUnavailableError("the broker is away")
            for message in messages:
                size = len(message.key or b"") + len(message.value)
                if size + sum(len(name) + len(value) for name, value in message.headers) >= (
                    MAX_MESSAGE
                ):
                    raise ValueError(f"a message of {size} bytes is too large")
                self.stored.append(message)
