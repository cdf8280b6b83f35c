"""Whether all strips and tiles of a TIFF's pages are there.

Adobe's specification, revision 6.0, sections 8 and 15.
"""

from typing import Final

from processors.images.endings import jpeg
from processors.images.errors import TruncatedImage, UnreadableImage
from processors.images.headers.tiff import ByteOrder, Entry, byte_order, numbers, read_directory
from processors.images.headers.window import Held

_COMPRESSION: Final = 259
_PLACES: Final = ((273, 279), (324, 325))
_WIDTH, _HEIGHT, _SAMPLES, _ROWS, _PLANES = 256, 257, 277, 278, 284
_TILES, _TILE_WIDTH, _TILE_HEIGHT = 324, 322, 323
_APART: Final = 2
_MOST_PARTS: Final = 200_000
_JPEG: Final = 7
_NEEDED: Final = (258, 273, 279, 320, 324, 325, 347)
"""Fields without which a page cannot be decoded: places, lengths, colours, JPEG's tables."""
_BYTES: Final = {1: 1, 3: 2, 4: 4, 7: 1}


def pages(data: bytes, *, most: int) -> int:
    """Return how many pages a TIFF has, counting to one more than `most`.

    Raises `TruncatedImage` where a page's directory or pixels lie beyond the file's end, or a
    part of it in JPEG has none; `UnreadableImage` for a directory of no sense.
    """
    order = byte_order(data)
    held = Held(data)
    at = int.from_bytes(data[4:8], order)
    seen: set[int] = set()
    # Decoders take a directory that comes again for the end.
    while at and at not in seen:
        seen.add(at)
        if len(seen) > most:
            break
        fields, at = read_directory(held, at, order)
        _check_parts(held, data, fields, order)
    return len(seen)


def _check_parts(held: Held, data: bytes, fields: dict[int, Entry], order: ByteOrder) -> None:
    for entry in (fields[tag] for tag in _NEEDED if tag in fields):
        width = _BYTES.get(entry.kind, 1) * entry.count
        if entry.place(width) + width > len(data):
            raise TruncatedImage("a field of the TIFF lies beyond its end")
    in_jpeg = _COMPRESSION in fields and numbers(held, fields[_COMPRESSION], order, most=1) == [
        _JPEG
    ]
    for starts, lengths in _PLACES:
        if starts not in fields or lengths not in fields:
            continue
        if fields[starts].count < (needed := _parts(held, fields, order, tiled=starts == _TILES)):
            raise TruncatedImage(f"{fields[starts].count} parts of the TIFF's {needed} are there")
        if fields[starts].count > _MOST_PARTS:
            raise UnreadableImage(f"a TIFF page in {fields[starts].count} parts")
        parts = zip(
            numbers(held, fields[starts], order, most=_MOST_PARTS),
            numbers(held, fields[lengths], order, most=_MOST_PARTS),
            strict=False,
        )
        for start, length in parts:
            if start + length > len(data):
                raise TruncatedImage(f"a part of the TIFF would end at byte {start + length}")
            if in_jpeg and not jpeg.ends(data[start : start + length]):
                raise TruncatedImage(f"the part of the TIFF at byte {start} has no end")


def _parts(held: Held, fields: dict[int, Entry], order: ByteOrder, *, tiled: bool) -> int:
    """Return of how many strips or tiles a page is made; decoders leave those missing black."""

    def one(tag: int, default: int) -> int:
        found = numbers(held, fields[tag], order, most=1) if tag in fields else []
        return found[0] if found else default

    width, height = one(_WIDTH, 0), one(_HEIGHT, 0)
    across = one(_TILE_WIDTH, 0) if tiled else width
    down = one(_TILE_HEIGHT, 0) if tiled else min(height, one(_ROWS, height))
    if not across or not down:
        raise UnreadableImage("a TIFF page in parts of no size")
    planes = one(_SAMPLES, 1) if one(_PLANES, 1) == _APART else 1
    return -(-width // across) * -(-height // down) * planes
