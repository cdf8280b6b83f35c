"""BMP: Windows' BITMAPFILEHEADER and the seven headers that may follow it."""

from typing import Final

from processors.images.errors import UnreadableImage, UnsupportedFormat
from processors.images.headers.facts import ImageHeader
from processors.images.headers.window import Window
from schemas.operations import ImageFormat

_OS2: Final = 12
_WITH_ALPHA_MASK: Final = 56
_SIZES: Final = (_OS2, 40, 52, _WITH_ALPHA_MASK, 64, 108, 124)
_DEPTHS: Final = (1, 4, 8, 16, 24, 32)
_BITFIELDS: Final = 3
_RAW_OR_RUNS: Final = (0, 1, 2, _BITFIELDS)


def is_bmp(start: bytes) -> bool:
    """Tell whether a file that begins so is a BMP."""
    return start[:2] == b"BM" and int.from_bytes(start[14:18], "little") in _SIZES


def read_bmp(window: Window) -> ImageHeader:
    """Return the facts of a BMP.

    The fourth byte of 32-bit pixels is alpha only where a mask says so. Raises
    `UnreadableImage`, `UnsupportedFormat` or `TruncatedImage`.
    """
    length = int.from_bytes(window.read(14, 4), "little")
    dib = window.read(14, length)
    if length == _OS2:
        width, height = _number(dib, 4, 2), _number(dib, 6, 2)
        bits, compression = _number(dib, 10, 2), 0
    else:
        width = int.from_bytes(dib[4:8], "little", signed=True)
        # Rows from the top down have a negative height.
        height = abs(int.from_bytes(dib[8:12], "little", signed=True))
        bits, compression = _number(dib, 14, 2), _number(dib, 16, 4)
    if width <= 0 or height <= 0:
        raise UnreadableImage(f"a BMP of {width} by {height} pixels")
    if bits not in _DEPTHS:
        raise UnreadableImage(f"a BMP with {bits} bits a pixel")
    if compression not in _RAW_OR_RUNS:
        raise UnsupportedFormat(f"BMP with compression {compression} is not supported")
    masked = compression == _BITFIELDS and length >= _WITH_ALPHA_MASK
    alpha = masked and bits == 32 and _number(dib, 52, 4) != 0  # noqa: PLR2004 (of 8 each)
    return ImageHeader(ImageFormat.BMP, width, height, has_alpha=alpha)


def _number(data: bytes, at: int, count: int) -> int:
    return int.from_bytes(data[at : at + count], "little")
