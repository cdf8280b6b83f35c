"""EXIF in a TIFF file: in the picture's own directory, and in one more that it points to.

libtiff, as Pillow calls it, writes neither texts that are not ASCII nor the second directory.
"""

import struct
from typing import Final

_HEADER: Final = 8
_ROW: Final = 12
_EXIF_DIRECTORY: Final = 0x8769
_INLINE: Final = 4
_WIDTHS: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}


def with_exif(tiff: bytes, block: bytes) -> bytes:
    """Return a TIFF file with a block of EXIF in it, as `processors.images.metadata` returns one.

    Both are little-endian. The pixels stay where they are; the block, and a new first directory
    that joins both, are added at the end.
    """
    padded = tiff + bytes(len(tiff) % 2)
    added = bytearray(block + bytes(len(block) % 2))
    rows = _moved(added, _HEADER, by=len(padded))
    (first,) = struct.unpack_from("<I", tiff, 4)
    (count,) = struct.unpack_from("<H", tiff, first)
    for place in range(first + 2, first + 2 + _ROW * count, _ROW):
        row = tiff[place : place + _ROW]
        rows[int.from_bytes(row[:2], "little")] = row
    table = b"".join(rows[tag] for tag in sorted(rows))
    return b"".join(
        (
            padded[:4],
            struct.pack("<I", len(padded) + len(added)),
            padded[_HEADER:],
            added,
            struct.pack("<H", len(rows)),
            table,
            bytes(4),
        )
    )


def _moved(block: bytearray, at: int, *, by: int) -> dict[int, bytes]:
    """Move what the directory at `at` points to by so many bytes; return its rows by tag."""
    rows = dict[int, bytes]()
    (count,) = struct.unpack_from("<H", block, at)
    for place in range(at + 2, at + 2 + _ROW * count, _ROW):
        tag, kind, values, value = struct.unpack_from("<HHII", block, place)
        if tag == _EXIF_DIRECTORY:
            _moved(block, value, by=by)
        if tag == _EXIF_DIRECTORY or _WIDTHS[kind] * values > _INLINE:
            struct.pack_into("<I", block, place + 8, value + by)
        rows[tag] = bytes(block[place : place + _ROW])
    return rows
