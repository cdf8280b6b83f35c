"""What Pillow reads badly, read by OpenCV. In the decoder's process.

Pillow cuts 16 bits of colour to 8. It unpacks a BMP's runs in Python, which takes 2 s for nine
million of them; OpenCV takes 0.1 s. It takes every WebP for an animation, for which libwebp holds
two canvases more: of 50 megapixels 0.4 GB.
"""

import io
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from processors.images.errors import TruncatedImage, UnreadableImage
from processors.images.headers.facts import ImageHeader
from processors.images.loaded import Channel, Loaded
from processors.images.metadata import exif_block
from processors.images.orientation import AS_STORED, orientation_of
from processors.images.profiles import sound
from schemas.warnings import Warned

Levels: TypeAlias = npt.NDArray[np.generic]

_GREY_DIMENSIONS = 2


def levels_of(data: bytes, header: ImageHeader) -> Levels:
    """Return a file's pixels of 8 or 16 bits, (H, W) or (H, W, C) with blue before red.

    Raises `UnreadableImage` where there are none, or of another size than the header tells.
    """
    cv2.setNumThreads(1)
    levels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if levels is None:
        raise UnreadableImage(f"the {header.format} file is damaged")
    if levels.shape[:2] != (header.height, header.width):
        raise UnreadableImage("the picture has another size than its header tells")
    return np.asarray(levels)


def read_runs(data: bytes, header: ImageHeader) -> Loaded:
    """Return the picture of a BMP in runs; what these leave out has the palette's first colour.

    Raises `TruncatedImage`, also where runs are damaged: they tell no length to compare.
    """
    try:
        pixels, _ = _separated(levels_of(data, header))
    except UnreadableImage as error:
        raise TruncatedImage("the BMP's runs end before its rows do") from error
    return Loaded(pixels, None, None, None, AS_STORED, 1, header.depth)


def read_webp(data: bytes, header: ImageHeader) -> Loaded:
    """Return the picture of a still WebP. Raises `UnreadableImage` or what Pillow raises."""
    # In a function, so that Pillow's canvases are gone before the pixels come.
    icc, exif, orientation = _told(data)
    pixels, alpha = _separated(levels_of(data, header))
    profile = sound(icc)
    warnings = (Warned.PROFILE_UNUSABLE,) if icc and profile is None else ()
    return Loaded(pixels, alpha, profile, exif, orientation, 1, header.depth, warnings)


def _told(data: bytes) -> tuple[object, bytes | None, int]:
    with Pillow.open(io.BytesIO(data), formats=["WEBP"]) as picture:
        return (
            picture.info.get("icc_profile"),
            exif_block(picture.info.get("exif")),
            orientation_of(picture),
        )


def _separated(levels: Levels) -> tuple[Channel, Channel | None]:
    if levels.ndim == _GREY_DIMENSIONS:
        return levels.view(np.uint8)[..., np.newaxis], None
    pixels = np.ascontiguousarray(levels[..., 2::-1], np.uint8)
    return pixels, levels[..., 3].astype(np.uint8) if levels.shape[2] > 3 else None  # noqa: PLR2004
