"""An object's bytes, fetched by as few and as short ranges as a header needs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from processors.images.errors import TruncatedImage

Fetch = Callable[[int, int], bytes]
"""Returns the bytes from `start` (included) to `end` (excluded)."""

MAX_RANGES = 12
MAX_BYTES = 8 << 20
"""Of one object. Photographs carry whole pictures before their size: metadata of 7 MB is real."""

MAX_READS = 60_000
"""So that metadata in crumbs costs no more than a few hundredths of a second."""

_FIRST = 32 << 10
_NEXT = 128 << 10


class BudgetSpent(Exception):  # noqa: N818 - a fact about the search, not about the picture
    """What is asked for lies farther in than ranges, bytes or reads suffice for."""


class Readable(Protocol):
    """Something of `size` bytes that is read by offsets."""

    size: int

    def read(self, start: int, count: int) -> bytes:
        """Return exactly `count` bytes from offset `start`, or raise `TruncatedImage`."""
        ...


class Held:
    """Bytes that are all at hand, read as a `Window` is, without its budget."""

    def __init__(self, data: bytes) -> None:
        self.size = len(data)
        self._data = data

    def read(self, start: int, count: int) -> bytes:
        """Return exactly `count` bytes from offset `start`, or raise `TruncatedImage`."""
        if start + count > self.size:
            raise TruncatedImage(f"bytes {start} to {start + count} of {self.size} are missing")
        return self._data[start : start + count]


class Window:
    """Reads an object of `size` bytes by its offsets.

    A range begins where it is needed: what is skipped between two reads is not fetched. One that
    goes on where the last ended is twice as long, so that long metadata takes few of them. The last
    two ranges are held: a TIFF's directory, and what it points to.
    """

    def __init__(self, fetch: Fetch, size: int) -> None:
        self.size = size
        self._fetch = fetch
        self._ranges = 0
        self._bytes = 0
        self._reads = 0
        self._last = _Range(0, b"")
        self._before = self._last

    def read(self, start: int, count: int) -> bytes:
        """Return exactly `count` bytes from offset `start`; `count` is small.

        Raises `TruncatedImage` when the object ends before, `BudgetSpent` when that takes a
        range, a byte or a read too many, and whatever the fetch raises.
        """
        if start + count > self.size:
            raise TruncatedImage(f"bytes {start} to {start + count} of {self.size} are missing")
        self._reads += 1
        if self._reads > MAX_READS:
            raise BudgetSpent(f"more than {MAX_READS} reads up to byte {start}")
        if not self._last.holds(start, count):
            if self._before.holds(start, count):
                self._last, self._before = self._before, self._last
            else:
                self._load(start)
        found = self._last.part(start, count)
        if len(found) < count:
            held = self._last
            raise TruncatedImage(f"the store gave {len(held.data)} bytes from {held.start} on")
        return found

    def _load(self, start: int) -> None:
        if self._ranges == MAX_RANGES or self._bytes == MAX_BYTES:
            raise BudgetSpent(f"{self._ranges} ranges do not reach byte {start}")
        length = min(self._next_length(start), MAX_BYTES - self._bytes, self.size - start)
        self._ranges += 1
        self._bytes += length
        self._before = self._last
        self._last = _Range(start, self._fetch(start, start + length))

    def _next_length(self, start: int) -> int:
        if not self._ranges:
            return _FIRST
        last = self._last
        near = 0 <= start - last.start <= 2 * len(last.data)
        return max(_NEXT, 2 * len(last.data)) if near else _NEXT


@dataclass(frozen=True, slots=True)
class _Range:
    """Bytes of an object from `start` on."""

    start: int
    data: bytes

    def holds(self, start: int, count: int) -> bool:
        return self.start <= start and start + count <= self.start + len(self.data)

    def part(self, start: int, count: int) -> bytes:
        return self.data[start - self.start : start - self.start + count]
