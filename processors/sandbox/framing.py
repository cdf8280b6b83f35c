"""Messages between a worker and its sandboxed child.

A message is four bytes of length, that many bytes of a JSON object, then the raw buffers whose
lengths its `buffers` lists. Nothing is unpickled; the reader says how much it takes at most.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

Fields: TypeAlias = dict[str, object]
Buffer: TypeAlias = "bytes | bytearray | memoryview"

CPU_FIELD: Final = "cpu_s"
"""The field of a request that tells its seconds of CPU, taken out before it is answered."""

_LONGEST_FIELDS = 64 << 10
_PREFIX = 4


class FramingError(Exception):
    """The other side sent what is no message, or more than it may."""


@dataclass(frozen=True, slots=True)
class Message:
    """Small named values and the raw buffers that go with them."""

    fields: Fields
    buffers: tuple[bytearray, ...] = ()


def pack(fields: Fields, buffers: Sequence[Buffer]) -> list[Buffer]:
    """Return what to write, piece by piece; the buffers are not copied."""
    sizes = [memoryview(buffer).nbytes for buffer in buffers]
    head = json.dumps({"fields": fields, "buffers": sizes}).encode()
    return [len(head).to_bytes(_PREFIX, "little"), head, *buffers]


def unpack(read_into: Callable[[memoryview], None], *, most: int) -> Message:
    """Return the next message, of which the buffers hold `most` bytes together at most.

    `read_into` fills the whole of what it is given or raises. Raises `FramingError`.
    """
    length = int.from_bytes(_read(read_into, _PREFIX), "little")
    if length > _LONGEST_FIELDS:
        raise FramingError(f"a head of {length} bytes")
    try:
        head = json.loads(_read(read_into, length))
        fields, sizes = head["fields"], head["buffers"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FramingError("a head that is no JSON object of fields and buffers") from error
    if not isinstance(fields, dict) or not isinstance(sizes, list):
        raise FramingError("fields or buffers of the wrong type")
    if not all(isinstance(size, int) and size >= 0 for size in sizes) or sum(sizes) > most:
        raise FramingError(f"buffers of {sizes} bytes, where {most} are the most")
    return Message(fields, tuple(_read(read_into, size) for size in sizes))


def _read(read_into: Callable[[memoryview], None], size: int) -> bytearray:
    buffer = bytearray(size)
    read_into(memoryview(buffer))
    return buffer
