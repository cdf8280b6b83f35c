"""Whether a PNG holds all the rows that its header announces.

libpng's callers learn of a compressed stream that is cut off, but Pillow takes one that ends in
good order after a few rows, and leaves the rest black. Layout: PNG specification, third
edition, sections 7.2 and 8 (https://www.w3.org/TR/png-3/).
"""

import zlib
from collections.abc import Iterator
from typing import Final

_SIGNATURE_BYTES: Final = 8
_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_STEP: Final = 1 << 20

# Adam7: first column and row of each pass, and the steps between.
_PASSES: Final = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)


def missing_bytes(data: bytes) -> int:
    """Return how many bytes of filtered rows a PNG lacks; 0 when all are there.

    `data` begins with a signature and an IHDR that were read before. Inflates no more than
    the rows take. Raises `zlib.error` when the stream is damaged.
    """
    missing = _row_bytes(data)
    inflate = zlib.decompressobj()
    for body in _image_data(data):
        while missing and body:
            missing -= len(inflate.decompress(body, min(_STEP, missing)))
            body = inflate.unconsumed_tail  # noqa: PLW2901 - what is left of it
    return missing


def _row_bytes(data: bytes) -> int:
    width = int.from_bytes(data[16:20], "big")
    height = int.from_bytes(data[20:24], "big")
    bits = data[24] * _CHANNELS[data[25]]
    if not data[28]:
        return height * (1 + -(-width * bits // 8))
    sizes = (
        (-(-(width - left) // across), -(-(height - top) // down))
        for left, top, across, down in _PASSES
    )
    return sum(
        rows * (1 + -(-columns * bits // 8)) for columns, rows in sizes if columns > 0 and rows > 0
    )


def ends(data: bytes) -> bool:
    """Tell whether a PNG's chunks reach IEND."""
    return any(kind == b"IEND" for kind, _ in _chunks(data))


def exif_of(data: bytes) -> bytes | None:
    """Return the EXIF that stands before or after the pixels, as a TIFF block."""
    return next((body for kind, body in _chunks(data) if kind == b"eXIf"), None)


def _image_data(data: bytes) -> Iterator[bytes]:
    return (body for kind, body in _chunks(data) if kind == b"IDAT")


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = _SIGNATURE_BYTES
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length
