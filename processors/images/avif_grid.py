"""A large picture as an AVIF of equal cells, each coded by itself.

libaom holds 40 bytes for each pixel that it codes, 2.6 GB for 64 megapixels, whatever it is asked;
a cell takes it 0.17 GB. Readers put the cells together: ISO/IEC 23008-12, section 6.6.2.3.2
(grids), with the boxes of ISO/IEC 14496-12 and what MIAF (ISO/IEC 23000-22, section 7.3.11.4.2)
asks of cells.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from PIL import Image as Pillow

from processors.images.headers.heif import boxes
from processors.images.headers.window import Held

CELL: Final = 2_048
"""The longest side of a cell, in pixels."""

_SIZES: Final = 0x44
"""Offsets and lengths of items have four bytes each."""
_ESSENTIAL: Final = 0x80
_CODED: Final = (b"av1C", b"pixi", b"colr")


@dataclass(frozen=True, slots=True)
class _Item:
    """One item of the file: its bytes, what describes it, and what it says of which others."""

    kind: bytes
    data: bytes
    properties: tuple[bytes, ...] = ()
    refers: tuple[tuple[bytes, list[int]], ...] = ()
    hidden: bool = False
    media_type: bytes = b""


def in_cells(
    picture: Pillow.Image,
    code: Callable[[Pillow.Image], bytes],
    *,
    icc: bytes = b"",
    exif: bytes = b"",
    xmp: bytes = b"",
    side: int = CELL,
) -> bytes:
    """Return a picture, L, LA, RGB or RGBA, as the bytes of an AVIF.

    `code` makes an AVIF of one opaque picture; alpha is coded by it as a grey one. It is called
    with cells of equal, even sizes up to `side`, 64 or more; those at the right and lower edge go
    on beyond it. `exif` is a TIFF block.
    """
    colour = "L" if picture.mode in {"L", "LA"} else "RGB"
    profile = (_box(b"colr", b"prof", icc),) if icc else ()
    items = _grid(picture, lambda cell: code(cell.convert(colour)), side, 0, profile)
    whole = len(items)
    if picture.mode in {"LA", "RGBA"}:
        alpha = _full_box(b"auxC", b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0")
        items += _grid(picture, lambda cell: code(cell.getchannel("A")), side, whole, (alpha,))
        items[-1] = replace(items[-1], refers=(*items[-1].refers, (b"auxl", [whole])))
    about = ((b"cdsc", [whole]),)
    if exif:
        items.append(_Item(b"Exif", bytes(4) + exif, refers=about, hidden=True))
    if xmp:
        xml = b"application/rdf+xml"
        items.append(_Item(b"mime", xmp, refers=about, hidden=True, media_type=xml))
    return _file(items, whole)


def _grid(
    picture: Pillow.Image,
    code: Callable[[Pillow.Image], bytes],
    side: int,
    before: int,
    described: tuple[bytes, ...],
) -> list[_Item]:
    """Return the cells, numbered from `before` + 1 on, and then what they make up."""
    width, height = picture.size
    across, down = -(-width // side), -(-height // side)
    cell = (_even(-(-width // across)), _even(-(-height // down)))
    items: list[_Item] = []
    shared: tuple[bytes, ...] = ()
    for top in range(0, height, cell[1]):
        for left in range(0, width, cell[0]):
            data, properties = _coded(code(_cut(picture, left, top, cell)))
            items.append(_Item(b"av01", data, (_size(*cell), *properties), hidden=True))
            shared = tuple(one for one in properties if one[4:8] != b"av1C")
    head = struct.pack(">BBBBII", 0, 1, down - 1, across - 1, width, height)
    made_of = [before + 1 + n for n in range(len(items))]
    properties = (_size(width, height), *shared, *described)
    return [*items, _Item(b"grid", head, properties, ((b"dimg", made_of),), hidden=before > 0)]


def _cut(picture: Pillow.Image, left: int, top: int, size: tuple[int, int]) -> Pillow.Image:
    right, bottom = min(left + size[0], picture.width), min(top + size[1], picture.height)
    cell = picture.crop((left, top, right, bottom))
    if cell.size == size:
        return cell
    pixels = np.asarray(cell)
    beyond = [(0, size[1] - cell.height), (0, size[0] - cell.width), (0, 0)][: pixels.ndim]
    return Pillow.fromarray(np.pad(pixels, beyond, mode="edge"))


def _even(length: int) -> int:
    return length + length % 2


def _coded(file: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """Return the coded picture of an AVIF of one item, and what is needed to decode it."""
    held = Held(file)
    data, properties = b"", []
    for outer in boxes(held, 0, len(file)):
        if outer.kind == b"mdat":
            data = file[outer.start : outer.end]
        if outer.kind != b"meta":
            continue
        for inner in boxes(held, outer.start + 4, outer.end):
            if inner.kind == b"iprp":
                container = next(boxes(held, inner.start, inner.end))
                told = boxes(held, container.start, container.end)
                needed = (one for one in told if one.kind in _CODED)
                properties += [file[one.start - 8 : one.end] for one in needed]
    return data, tuple(properties)


def _file(items: list[_Item], primary: int) -> bytes:
    kinds = _box(b"ftyp", b"avif", bytes(4), b"avifmif1miaf")
    start = len(kinds) + len(_meta(items, primary, 0)) + 8
    media = _box(b"mdat", *[item.data for item in items])
    return kinds + _meta(items, primary, start) + media


def _meta(items: list[_Item], primary: int, at: int) -> bytes:
    """Return the box that tells all of the items, whose bytes begin at `at`, one after another."""
    known: list[bytes] = []
    infos, places, uses, refers = b"", b"", b"", b""
    for number, item in enumerate(items, 1):
        named = b"\0" + item.media_type + (b"\0" if item.media_type else b"")
        told = struct.pack(">HH", number, 0) + item.kind + named
        infos += _full_box(b"infe", told, version=2, flags=int(item.hidden))
        places += struct.pack(">HHHII", number, 0, 1, at, len(item.data))
        at += len(item.data)
        if item.properties:
            uses += struct.pack(">HB", number, len(item.properties))
        for one in item.properties:
            if one not in known:
                known.append(one)
            essential = _ESSENTIAL if one[4:8] == b"av1C" else 0
            uses += bytes([known.index(one) + 1 | essential])
        for kind, others in item.refers:
            refers += _box(kind, struct.pack(f">HH{len(others)}H", number, len(others), *others))
    described = sum(1 for item in items if item.properties)
    return _full_box(
        b"meta",
        _full_box(b"hdlr", bytes(4), b"pict", bytes(13)),
        _full_box(b"pitm", struct.pack(">H", primary)),
        _full_box(b"iloc", struct.pack(">BBH", _SIZES, 0, len(items)), places),
        _full_box(b"iinf", struct.pack(">H", len(items)), infos),
        _full_box(b"iref", refers),
        _box(
            b"iprp",
            _box(b"ipco", *known),
            _full_box(b"ipma", struct.pack(">I", described), uses),
        ),
    )


def _size(width: int, height: int) -> bytes:
    return _full_box(b"ispe", struct.pack(">II", width, height))


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body


def _full_box(kind: bytes, *parts: bytes, version: int = 0, flags: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags), *parts)
