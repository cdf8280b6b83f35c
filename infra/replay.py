"""Replaying dead letters: so many a second, and no further when they come back dead."""

import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from infra.clock import Time
from infra.dead_letters import Clerk, DeadLetter, place_marked
from infra.kafka import Message
from infra.topic_reader import Span, TopicReader
from schemas import topics

_CHUNK: Final = 500
_LOOK_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class Pace:
    """How a replay goes.

    `rate` is in messages a second; it ends once `stop_after` messages came back dead, and
    looks for those until `watch_s` seconds behind its last message.
    """

    rate: float = 100.0
    stop_after: int = 10
    watch_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many letters were sent back and marked, and how many of those came back dead."""

    sent: int
    came_back: int
    stopped: bool


class Replay:
    """Sends letters of one topic back. What it has sent is marked: a new one does the rest."""

    def __init__(
        self, clerk: Clerk, reader: TopicReader, source: str, pace: Pace, time: Time
    ) -> None:
        """Begin to watch for what comes back; `reader` is this replay's alone."""
        self._clerk = clerk
        self._reader = reader
        self._dlq = topics.dlq(source)
        self._pace = pace
        self._time = time
        self._seen = reader.ends(self._dlq)
        self._sent: Counter[bytes] = Counter()
        self._came_back = 0

    def run(self, letters: Iterable[DeadLetter], on_sent: Callable[[int, int], None]) -> Replayed:
        """Send letters until all are sent or too many came back.

        `on_sent` is told how many were sent and how many came back. Raises
        `BrokerUnavailableError`; what was sent until then is marked but for the last chunk.
        """
        size = max(1, min(_CHUNK, round(self._pace.rate)))
        waiting, sent, begun = iter(letters), 0, self._time.monotonic()
        while chunk := list(itertools.islice(waiting, size)):
            self._clerk.replay(chunk)
            self._sent.update(_print(letter.message) for letter in chunk)
            sent += len(chunk)
            due = begun + sent / self._pace.rate
            if self._returned(until=due, on_look=lambda s=sent: on_sent(s, self._came_back)):  # type: ignore[misc]  # s is bound as it is now
                return Replayed(sent, self._came_back, stopped=next(waiting, None) is not None)
        if sent:
            until = self._time.monotonic() + self._pace.watch_s
            self._returned(until=until, on_look=lambda: on_sent(sent, self._came_back))
        return Replayed(sent, self._came_back, stopped=False)

    def _returned(self, *, until: float, on_look: Callable[[], None]) -> bool:
        """Look at what comes back until then; tell whether that is too much."""
        while True:
            self._look()
            on_look()
            left = until - self._time.monotonic()
            if self._came_back >= self._pace.stop_after:
                return True
            if left <= 0:
                return False
            self._time.sleep(min(left, _LOOK_S))

    def _look(self) -> None:
        for message in self._reader.read(self._dlq, Span(beyond=self._seen)):
            self._seen[message.partition] = message.offset + 1
            mark = _print(message)
            if place_marked(message) is None and self._sent[mark] > 0:
                self._sent[mark] -= 1
                self._came_back += 1


def _print(message: Message) -> bytes:
    """Return what tells one payload from another, whatever its headers are."""
    return hashlib.sha256((message.key or b"") + b"\0" + message.value).digest()
