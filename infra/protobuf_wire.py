"""The protobuf wire format, read strictly and without a schema.

Format: https://protobuf.dev/programming-guides/encoding/. Enough for the few messages
picmend reads; groups (long deprecated) are refused.
"""

from collections.abc import Iterator

_MAX_VARINT_BYTES = 10
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}


class NotProtobuf(ValueError):  # noqa: N818 - named by what it says of the bytes
    """The bytes are no protobuf message; the text says where and why."""


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield each field of a message as (number, value), in order.

    A varint's value is its unsigned integer; every other kind's is its bytes. Raises
    `NotProtobuf` where the bytes do not go on as a message, after the fields before.
    """
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise NotProtobuf(f"field number 0 before byte {at}")
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == _LENGTH:
            size, at = _varint(message, at)
        elif kind in _FIXED_SIZES:
            size = _FIXED_SIZES[kind]
        else:
            raise NotProtobuf(f"wire type {kind} of field {number} before byte {at}")
        if size > len(message) - at:
            raise NotProtobuf(f"field {number} claims {size} bytes, {len(message) - at} are left")
        yield number, message[at : at + size]
        at += size


def signed(varint: int) -> int:
    """Read a varint's value as an int64, as protobuf writes negative numbers."""
    return varint - (1 << 64) if varint >> 63 else varint


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for position, byte in enumerate(message[at : at + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:  # noqa: PLR2004 - the top bit says that another byte follows
            if value >> 64:
                raise NotProtobuf(f"varint over 64 bits at byte {at}")
            return value, at + position + 1
    raise NotProtobuf(f"varint without end at byte {at}")
