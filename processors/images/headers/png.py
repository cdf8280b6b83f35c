"""PNG: W3C recommendation, third edition. Dimensions stand in the first chunk, IHDR."""

import zlib

from processors.images.errors import TruncatedImage, UnreadableImage
from processors.images.headers.facts import ImageHeader
from processors.images.headers.window import BudgetSpent, Window
from schemas.operations import ImageFormat

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Bits per sample that each colour type allows."""
_WITH_ALPHA = (4, 6)
_MAX_SIDE = 2**31 - 1
_IHDR_BYTES = 13
_CHUNK_FRAME = 12
"""Length, type and checksum around a chunk's data."""


def read_png(window: Window) -> ImageHeader:
    """Return the facts of a PNG.

    Transparency given by colour (tRNS) and the frames of an animation (acTL) are found
    among the chunks before the pixels; where so much metadata precedes them that they are
    out of reach, the picture counts as opaque and still. Raises `UnreadableImage` or
    `TruncatedImage`.
    """
    head = window.read(len(SIGNATURE), _IHDR_BYTES + _CHUNK_FRAME)
    length, kind, data = int.from_bytes(head[:4]), head[4:8], head[8:-4]
    if kind != b"IHDR" or length != _IHDR_BYTES:
        raise UnreadableImage(f"the PNG begins with {kind!r} of {length} bytes")
    if zlib.crc32(kind + data) != int.from_bytes(head[-4:]):
        raise UnreadableImage("the checksum of the PNG's header is wrong")
    width, height = int.from_bytes(data[:4]), int.from_bytes(data[4:8])
    depth, colour = data[8], data[9]
    if not (0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE):
        raise UnreadableImage(f"a PNG of {width} by {height} pixels")
    if depth not in _DEPTHS.get(colour, ()):
        raise UnreadableImage(f"a PNG of colour type {colour} with {depth} bits")
    transparent, frames = _before_pixels(window, len(SIGNATURE) + len(head))
    return ImageHeader(
        ImageFormat.PNG,
        width,
        height,
        colour in _WITH_ALPHA or transparent,
        frames_hint=frames,
        depth=depth,
    )


def _before_pixels(window: Window, at: int) -> tuple[bool, int]:
    """Return whether a colour is transparent, and the number of frames."""
    transparent, frames = False, 1
    try:
        while True:
            chunk = window.read(at, 8)
            length, kind = int.from_bytes(chunk[:4]), chunk[4:]
            if not kind.isalpha() or not kind.isascii():
                raise UnreadableImage(f"no PNG chunk at byte {at}")
            if at + length + _CHUNK_FRAME > window.size:
                raise TruncatedImage(f"the PNG ends within its chunk {kind.decode()}")
            match kind:
                case b"IDAT":
                    return transparent, frames
                case b"IEND":
                    raise UnreadableImage("a PNG without pixels")
                case b"tRNS":
                    transparent = True
                case b"acTL" if length >= 4:  # noqa: PLR2004 - the count's own bytes
                    frames = max(1, int.from_bytes(window.read(at + 8, 4)))
                case _:
                    pass
            at += length + _CHUNK_FRAME
    except BudgetSpent:
        return transparent, frames
