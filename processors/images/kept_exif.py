"""The EXIF that a result may carry: camera, time and author, never a place.

A block of EXIF is a small TIFF file; values are copied as the bytes they are, in little-endian
order, so that names in UTF-8 and exact fractions stay. What a result carries passes through here
last of all, whoever cleaned it before: a place that slips through is somebody's address. Tags and
types: EXIF 2.32 (CIPA DC-008-2019), sections 4.6.2 to 4.6.6.
"""

import struct
from dataclasses import dataclass
from typing import Final

_LITTLE, _BIG = b"II*\0", b"MM\0*"
_HEADER: Final = 8
_MOST_ENTRIES: Final = 200
_MOST_BYTES: Final = 60_000
_LONG: Final = 4
# Bytes of a value, and the bytes that turn round with the byte order; by type.
_SIZES: Final = {
    1: (1, 1),
    2: (1, 1),
    3: (2, 2),
    4: (4, 4),
    5: (8, 4),
    6: (1, 1),
    7: (1, 1),
    8: (2, 2),
    9: (4, 4),
    10: (8, 4),
    11: (4, 4),
    12: (8, 8),
}
_INLINE: Final = 4

_EXIF_IFD: Final = 0x8769
_DESCRIPTION, _MAKE, _MODEL, _SOFTWARE = 0x010E, 0x010F, 0x0110, 0x0131
_DATE_TIME, _ARTIST, _COPYRIGHT = 0x0132, 0x013B, 0x8298
_ABOUT_THE_PICTURE: Final = frozenset(
    {_DESCRIPTION, _MAKE, _MODEL, _SOFTWARE, _DATE_TIME, _ARTIST, _COPYRIGHT}
)
_MAKER_NOTE, _WIDTH, _HEIGHT, _INTEROPERABILITY, _GPS = 0x927C, 0xA002, 0xA003, 0xA005, 0x8825
# The first tag of an exposure's directory; those of a place begin at 0.
_EXPOSURE_TIME: Final = 0x829A
_NOT_OF_THE_EXPOSURE: Final = frozenset(
    {_EXIF_IFD, _GPS, _MAKER_NOTE, _WIDTH, _HEIGHT, _INTEROPERABILITY}
)


class DamagedExifError(ValueError):
    """The block is no EXIF that can be read."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """One tag: its type, how many values, and their bytes, little-endian."""

    tag: int
    kind: int
    count: int
    data: bytes


def kept_exif(block: bytes) -> bytes | None:
    """Return what a result may carry of a TIFF block of EXIF; None when that is nothing.

    Kept are description, maker, model, software, time, author and copyright, and how the
    exposure was made; left out are the place, orientation, sizes, thumbnails and makers' notes.
    What it returned it returns again unchanged. Raises `DamagedExifError`.
    """
    first, exposure = _read(block)
    if not first and not exposure:
        return None
    return _LITTLE + struct.pack("<I", _HEADER) + _written(first, exposure, _HEADER)


def with_exif(tiff: bytes, block: bytes) -> bytes:
    """Return a TIFF file with a block that `kept_exif` returned in its first directory.

    The pixels stay where they are; a new first directory is added at the end. Raises
    `DamagedExifError` when the file is not little-endian or has no such directory.
    """
    if not tiff.startswith(_LITTLE):
        raise DamagedExifError("the TIFF file is not little-endian")
    (at,) = _unpacked("<I", tiff, 4)
    (count,) = _unpacked("<H", tiff, at)
    old = [tiff[at + 2 + 12 * number : at + 14 + 12 * number] for number in range(count)]
    first, exposure = _read(block)
    padded = tiff + bytes(len(tiff) % 2)
    added = _written(first, exposure, len(padded), stored=old)
    return _LITTLE + struct.pack("<I", len(padded)) + padded[_HEADER:] + added


def _read(block: bytes) -> tuple[list[_Entry], list[_Entry]]:
    order = {_LITTLE: "<", _BIG: ">"}.get(block[:4])
    if order is None:
        raise DamagedExifError(f"no TIFF block begins with {block[:4].hex(' ')}")
    (at,) = _unpacked(f"{order}I", block, 4)
    entries = _directory(block, order, at)
    exposure: list[_Entry] = []
    for entry in entries:
        if entry.tag == _EXIF_IFD and entry.kind == _LONG and entry.count == 1:
            exposure = _directory(block, order, int.from_bytes(entry.data, "little"))
    return (
        [entry for entry in entries if entry.tag in _ABOUT_THE_PICTURE],
        [entry for entry in exposure if _is_of_the_exposure(entry.tag)],
    )


def _is_of_the_exposure(tag: int) -> bool:
    return tag >= _EXPOSURE_TIME and tag not in _NOT_OF_THE_EXPOSURE


def _directory(block: bytes, order: str, at: int) -> list[_Entry]:
    """Return the entries of known types, in the order of their tags, each tag once."""
    (count,) = _unpacked(f"{order}H", block, at)
    if count > _MOST_ENTRIES:
        raise DamagedExifError(f"{count} tags are more than {_MOST_ENTRIES}")
    entries: dict[int, _Entry] = {}
    total = 0
    for number in range(count):
        place = at + 2 + 12 * number
        tag, kind, values = _unpacked(f"{order}HHI", block, place)
        size, turned = _SIZES.get(kind, (0, 0))
        length = size * values
        if not length or tag in entries:
            continue
        start = place + 8 if length <= _INLINE else _unpacked(f"{order}I", block, place + 8)[0]
        data = block[start : start + length]
        total += length
        if len(data) < length or total > _MOST_BYTES:
            raise DamagedExifError(f"the value of tag {tag:#x} is not in the block, or too long")
        entries[tag] = _Entry(tag, kind, values, _turned(data, turned) if order == ">" else data)
    return sorted(entries.values(), key=lambda entry: entry.tag)


def _unpacked(form: str, block: bytes, at: int) -> tuple[int, ...]:
    try:
        return struct.unpack_from(form, block, at)
    except struct.error as error:
        raise DamagedExifError(f"the block ends before byte {at}") from error


def _turned(data: bytes, unit: int) -> bytes:
    """Return `data` with each `unit` bytes in the opposite order."""
    return b"".join(data[at : at + unit][::-1] for at in range(0, len(data), unit))


def _written(
    first: list[_Entry], exposure: list[_Entry], at: int, stored: list[bytes] | None = None
) -> bytes:
    """Return both directories as they are stored from byte `at` on; `stored` ones join the first.

    A stored entry is the twelve bytes of one whose value stays where it is.
    """
    if not exposure:
        return _laid_out(first, at, stored or [])
    # The pointer is as long whatever it says, so what follows the first directory is known.
    pointer = _Entry(_EXIF_IFD, _LONG, 1, bytes(4))
    after = at + len(_laid_out([*first, pointer], at, stored or []))
    pointer = _Entry(_EXIF_IFD, _LONG, 1, struct.pack("<I", after))
    return _laid_out([*first, pointer], at, stored or []) + _laid_out(exposure, after, [])


def _laid_out(entries: list[_Entry], at: int, stored: list[bytes]) -> bytes:
    rows = {int.from_bytes(row[:2], "little"): row for row in stored}
    count = len(rows.keys() | {entry.tag for entry in entries})
    behind = at + 2 + 12 * count + 4
    values = bytearray()
    for entry in entries:
        value = entry.data.ljust(_INLINE, b"\0")
        if len(entry.data) > _INLINE:
            value = struct.pack("<I", behind + len(values))
            values += entry.data + bytes(len(entry.data) % 2)
        rows[entry.tag] = struct.pack("<HHI", entry.tag, entry.kind, entry.count) + value
    table = b"".join(rows[tag] for tag in sorted(rows))
    return struct.pack("<H", count) + table + bytes(4) + bytes(values)
