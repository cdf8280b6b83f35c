"""AVIF by Pillow, of which large pictures are put together from cells."""

import io
from collections.abc import Callable
from typing import Final

from PIL import Image as Pillow

from processors.images.avif_grid import in_cells

LARGE: Final = 16_000_000
"""Pixels, from which on a picture is worth cutting; below, the coder takes up to 0.68 GB."""

_SPEED: Final = 8
# With one thread libaom writes other bytes than with several; with several, always the same.
_THREADS: Final = 8


def write_avif(
    picture: Pillow.Image,
    *,
    quality: int,
    subsampling: str,
    icc: bytes = b"",
    exif: bytes = b"",
    xmp: bytes = b"",
    before_part: Callable[[], None] = lambda: None,
) -> bytes:
    """Return a picture, L, LA, RGB or RGBA, as an AVIF.

    `exif` is a TIFF block; `before_part` is called before each part that is coded, of which a
    picture of up to `LARGE` pixels has one. Colours of one of odd sides in parts are at full
    resolution, whatever is asked: readers refuse others.
    """
    large = picture.width * picture.height > LARGE
    odd = picture.width % 2 or picture.height % 2
    colours = "4:4:4" if large and odd else subsampling

    def coded(part: Pillow.Image, **beside: bytes) -> bytes:
        before_part()
        buffer = io.BytesIO()
        part.save(
            buffer,
            "AVIF",
            quality=quality,
            subsampling="4:0:0" if part.mode in {"L", "LA"} else colours,
            speed=_SPEED,
            max_threads=_THREADS,
            **beside,
        )
        return buffer.getvalue()

    if large:
        return in_cells(picture, coded, icc=icc, exif=exif, xmp=xmp)
    return coded(picture, icc_profile=icc, exif=b"Exif\0\0" + exif if exif else b"", xmp=xmp)
