"""HEIF files made by hand (ISO/IEC 23008-12): boxes, items and their properties."""

import struct
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tests.hostile import hevc

_IDENTITY = 0  # matrix_coefficients: the planes are green, blue and red


@dataclass
class Item:
    """One item of a file: its bytes, and the properties that describe it."""

    kind: bytes
    data: bytes
    properties: list[bytes] = field(default_factory=list)
    refers: list[tuple[bytes, list[int]]] = field(default_factory=list)
    hidden: bool = False


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body


def full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def size_of(width: int, height: int) -> bytes:
    """Return an ispe property."""
    return full_box(b"ispe", 0, 0, struct.pack(">II", width, height))


def turned(quarters: int) -> bytes:
    """Return an irot property: quarter turns against the clock."""
    return box(b"irot", bytes([quarters]))


def mirrored(axis: int) -> bytes:
    """Return an imir property: 0 swaps top and bottom, 1 left and right."""
    return box(b"imir", bytes([axis]))


def cropped(width: int, height: int) -> bytes:
    """Return a clap property: the middle of the picture."""
    return box(b"clap", struct.pack(">IIIIiIiI", width, 1, height, 1, 0, 1, 0, 1))


ALPHA = full_box(b"auxC", 0, 0, b"urn:mpeg:hevc:2015:auxid:1\0")
COLOURS = box(b"colr", b"nclx", struct.pack(">HHHB", 1, 13, _IDENTITY, 0x80))


def file_of(items: list[Item], *, brand: bytes = b"heic", primary: int = 1) -> bytes:
    """Return a file whose items are numbered from 1 on."""
    ftyp = box(b"ftyp", brand, bytes(4), b"mif1", brand)
    meta = _meta(items, primary, bytes(4 * len(items)))
    at = len(ftyp) + len(meta) + 8
    offsets = b""
    for item in items:
        offsets += struct.pack(">I", at)
        at += len(item.data)
    return ftyp + _meta(items, primary, offsets) + box(b"mdat", *[i.data for i in items])


def _meta(items: list[Item], primary: int, offsets: bytes) -> bytes:
    infos, places, uses, refers, properties = b"", b"", b"", b"", []
    for number, item in enumerate(items, 1):
        infos += full_box(
            b"infe", 2, int(item.hidden), struct.pack(">HH", number, 0), item.kind, b"\0"
        )
        at = offsets[4 * number - 4 : 4 * number]
        places += struct.pack(">HHH", number, 0, 1) + at + struct.pack(">I", len(item.data))
        essential = (b"hvcC", b"av1C", b"irot", b"imir", b"clap")
        uses += struct.pack(">HB", number, len(item.properties))
        for one in item.properties:
            if one not in properties:
                properties.append(one)
            uses += bytes([properties.index(one) + 1 | (0x80 if one[4:8] in essential else 0)])
        for kind, others in item.refers:
            ids = struct.pack(f">{len(others)}H", *others)
            refers += box(kind, struct.pack(">HH", number, len(others)), ids)
    handler = full_box(b"hdlr", 0, 0, bytes(4), b"pict", bytes(13))
    return full_box(
        b"meta",
        0,
        0,
        handler,
        full_box(b"pitm", 0, 0, struct.pack(">H", primary)),
        full_box(b"iloc", 0, 0, b"\x44\0", struct.pack(">H", len(items)), places),
        full_box(b"iinf", 0, 0, struct.pack(">H", len(items)), infos),
        full_box(b"iref", 0, 0, refers) if refers else b"",
        box(
            b"iprp",
            box(b"ipco", *properties),
            full_box(b"ipma", 0, 0, struct.pack(">I", len(items)), uses),
        ),
    )


def coded(pixels: npt.NDArray[np.integer], bits: int = 8) -> Item:
    """Return an item of HEVC: (H, W) grey or (H, W, 3) RGB, `bits` a sample, without loss."""
    height, width = pixels.shape[:2]
    if pixels.ndim == 2:
        planes, chroma = [pixels], 0
    else:
        planes, chroma = [pixels[..., 1], pixels[..., 2], pixels[..., 0]], 3
    sets = hevc.parameter_sets(width, height, chroma, bits)
    arrays = b"".join(
        bytes([0x80 | nal[0] >> 1]) + struct.pack(">HH", 1, len(nal)) + nal for nal in sets
    )
    record = struct.pack(">BBIHIB", 1, 4, 1 << 27, 0x9000, 0, 180)
    record += struct.pack(
        ">HBBBBHBB", 0xF000, 0xFC, 0xFC | chroma, 0xF8 | bits - 8, 0xF8 | bits - 8, 0, 0x0F, 3
    )
    nal = hevc.picture(planes, chroma, bits)
    depths = bytes([len(planes)]) + bytes([bits]) * len(planes)
    properties = [
        box(b"hvcC", record, arrays),
        size_of(width, height),
        full_box(b"pixi", 0, 0, depths),
    ]
    if chroma:
        properties.append(COLOURS)
    return Item(b"hvc1", struct.pack(">I", len(nal)) + nal, properties)


def metadata(exif: bytes, about: int) -> Item:
    """Return an item of EXIF, a TIFF block, about another."""
    prefix = b"Exif\0\0"
    return Item(b"Exif", struct.pack(">I", len(prefix)) + prefix + exif, [], [(b"cdsc", [about])])


def grid(pixels: npt.NDArray[np.integer], tile: int, bits: int = 8) -> list[Item]:
    """Return the items of a picture of square tiles, as telephones write it; the last is it."""
    height, width = pixels.shape[:2]
    rows, columns = -(-height // tile), -(-width // tile)
    margins = ((0, rows * tile - height), (0, columns * tile - width), (0, 0))
    padded = np.pad(pixels, margins[: pixels.ndim], mode="edge")
    tiles = [
        coded(padded[top : top + tile, left : left + tile], bits)
        for top in range(0, rows * tile, tile)
        for left in range(0, columns * tile, tile)
    ]
    for part in tiles:
        part.hidden = True
    head = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height)
    whole = Item(b"grid", head, [size_of(width, height)])
    whole.refers = [(b"dimg", list(range(1, len(tiles) + 1)))]
    return [*tiles, whole]
