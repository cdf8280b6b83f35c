"""One question for all formats: whether a file is all there, and how many pictures it holds."""

from collections.abc import Callable
from typing import Final

from processors.images.endings import bmp, gif, jpeg, tiff
from processors.images.errors import TooManyFrames, TruncatedImage
from processors.images.headers.facts import ImageHeader
from processors.images.headers.heif import boxes
from processors.images.headers.window import Held
from processors.images.png_rows import ends, missing_bytes
from schemas.operations import ImageFormat

_OF_HEIF: Final = frozenset({b"ftyp", b"meta", b"mdat", b"moov", b"idat", b"free", b"skip"})


def counted(data: bytes, header: ImageHeader, *, most: int) -> int:
    """Return how many pictures a file holds, where that is known without decoding it, else 1.

    Raises `TooManyFrames` where they are over `most`, `TruncatedImage` for a file that ends too
    early by its own account, and what the format's parser raises.
    """
    if check := _CHECKS.get(header.format):
        check(data, header)
    count = _COUNTS[header.format](data, most=most) if header.format in _COUNTS else 1
    if count > most:
        raise TooManyFrames(f"over {most} frames or pages")
    return count


def _check_jpeg(data: bytes, _: ImageHeader) -> None:
    if not jpeg.ends(data):
        raise TruncatedImage("the JPEG file has no end")


def _check_png(data: bytes, _: ImageHeader) -> None:
    if not ends(data):
        raise TruncatedImage("the PNG file has no end")
    if missing := missing_bytes(data):
        raise TruncatedImage(f"the PNG file lacks {missing} bytes of rows")


def _check_bmp(data: bytes, header: ImageHeader) -> None:
    if missing := bmp.missing_bytes(data, header):
        raise TruncatedImage(f"the BMP file lacks {missing} bytes of rows")


def _check_boxes(data: bytes, _: ImageHeader) -> None:
    seen: set[bytes] = set()
    for box in boxes(Held(data), 0, len(data)):
        if box.end > len(data) and box.kind in _OF_HEIF:
            raise TruncatedImage(f"the file ends within its box {box.kind.decode()}")
        seen.add(box.kind)
        if {b"meta", b"mdat"} <= seen:
            return  # what follows a picture is not looked at


# A WebP's first bytes tell its length, which the parser of its header compares.
_CHECKS: Final[dict[ImageFormat, Callable[[bytes, ImageHeader], None]]] = {
    ImageFormat.JPEG: _check_jpeg,
    ImageFormat.PNG: _check_png,
    ImageFormat.BMP: _check_bmp,
    ImageFormat.HEIC: _check_boxes,
    ImageFormat.AVIF: _check_boxes,
}
_COUNTS: Final = {ImageFormat.GIF: gif.images, ImageFormat.TIFF: tiff.pages}
