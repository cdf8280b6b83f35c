"""An object's bytes, fetched by as few and as short ranges as a header needs."""

from collections.abc import Callable
from typing import Protocol

from processors.images.errors import TruncatedImage

Fetch = Callable[[int, int], bytes]
"""Returns the bytes from `start` (included) to `end` (excluded)."""

MAX_RANGES = 4
MAX_BYTES = 512 * 1024
_FIRST = 32 * 1024
_NEXT = (MAX_BYTES - _FIRST) // (MAX_RANGES - 1)


class BudgetSpent(Exception):  # noqa: N818 - a fact about the search, not about the picture
    """The bytes asked for lie farther in than `MAX_RANGES` and `MAX_BYTES` reach."""


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
    """Reads an object of `size` bytes by its offsets, front to back.

    It holds the last range alone, so reading backwards fetches again. Ranges after the
    first begin where they are needed: what is skipped between two reads is not fetched.
    """

    def __init__(self, fetch: Fetch, size: int) -> None:
        self.size = size
        self._fetch = fetch
        self._ranges = 0
        self._start = 0
        self._held = b""

    def read(self, start: int, count: int) -> bytes:
        """Return exactly `count` bytes from offset `start`; `count` is small.

        Raises `TruncatedImage` when the object ends before, `BudgetSpent` when that takes
        one range too many, and whatever the fetch raises.
        """
        if start + count > self.size:
            raise TruncatedImage(f"bytes {start} to {start + count} of {self.size} are missing")
        if not self._start <= start <= start + count <= self._start + len(self._held):
            self._load(start)
        found = self._held[start - self._start : start - self._start + count]
        if len(found) < count:
            raise TruncatedImage(f"the store gave {len(self._held)} bytes from {self._start} on")
        return found

    def _load(self, start: int) -> None:
        if self._ranges == MAX_RANGES:
            raise BudgetSpent(f"{MAX_RANGES} ranges do not reach byte {start}")
        length = _NEXT if self._ranges else _FIRST
        self._ranges += 1
        self._start = start
        self._held = self._fetch(start, min(start + length, self.size))
