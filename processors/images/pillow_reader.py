"""What Pillow reads, which are all formats but HEIC. In the decoder's process."""

import io
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import AvifImagePlugin, PngImagePlugin
from PIL import Image as Pillow

from processors.images.channels import to_channels
from processors.images.depth import reduced
from processors.images.errors import TooManyFrames, UnreadableImage, UnsupportedFormat
from processors.images.headers.facts import ImageHeader
from processors.images.limits import DecodeLimits
from processors.images.loaded import Channel, Loaded
from processors.images.metadata import exif_block
from processors.images.opencv_reader import levels_of
from processors.images.orientation import AS_STORED, orientation_of
from processors.images.png_rows import exif_of
from processors.images.profiles import sound
from schemas.operations import ImageFormat
from schemas.warnings import Warned

_DEEP: Final = 16
_CONVERTED: Final = ("CMYK", "LAB")
"""What comes out of these is sRGB, whatever profile the file has."""
_LONGEST_TEXT: Final = 8 << 20
_PNG_COLOUR_TYPE: Final = 25
_GREY, _GREY_ALPHA = 0, 4
_TIFF_ORIENTATION, _TIFF_PLANES, _TIFF_EXTRA = 274, 284, 338
_APART: Final = 2
_PREMULTIPLIED: Final = 1
_WHITE: Final = 65_535


def read(data: bytes, header: ImageHeader, limits: DecodeLimits) -> Loaded:
    """Return the first picture of a file whose header was read.

    Raises `TooManyFrames`, a kind of `ImageRefused`, or whatever Pillow raises.
    """
    # Pillow's own limit would warn or raise at other sizes than the caller's.
    Pillow.MAX_IMAGE_PIXELS = None
    # Of a PNG's profile too, which is unpacked by the same rule.
    PngImagePlugin.MAX_TEXT_CHUNK = _LONGEST_TEXT
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    with Pillow.open(io.BytesIO(data), formats=[header.format.value.upper()]) as picture:
        frames = int(getattr(picture, "n_frames", 1))
        if frames > limits.frames:
            raise TooManyFrames(f"{frames} frames are more than {limits.frames}")
        if sorted(picture.size) != sorted((header.width, header.height)):
            raise UnreadableImage(f"the picture has {picture.size}, which its header does not tell")
        icc = picture.info.get("icc_profile")
        profile = usable = sound(icc)
        warnings: tuple[Warned, ...] = ()
        if _is_deep_colour(picture, data, header):
            pixels, alpha = _deep(picture, data, header)
            orientation = _deep_orientation(picture, data, header)
        else:
            picture.load()
            pixels, alpha, warnings = to_channels(picture, profile, header.depth)
            if header.monochrome and _is_grey(pixels):
                pixels = np.ascontiguousarray(pixels[..., :1])
            if picture.mode in _CONVERTED:
                profile = None
            # Pillow turns a TIFF when it loads it.
            tiff = header.format is ImageFormat.TIFF
            orientation = AS_STORED if tiff else orientation_of(picture)
        exif = _exif(picture, data, header)
    if icc and usable is None:
        warnings = (*warnings, Warned.PROFILE_UNUSABLE)
    return Loaded(pixels, alpha, profile, exif, orientation, frames, header.depth, warnings)


def _is_grey(pixels: Channel) -> bool:
    """Tell whether three channels are one, row by row: a mask of the whole is as large as they."""
    return all(bool((row == row[:, :1]).all()) for row in pixels)


def _is_deep_colour(picture: Pillow.Image, data: bytes, header: ImageHeader) -> bool:
    """Tell whether Pillow would cut off bits of colour, or make colour of grey with alpha."""
    if header.depth != _DEEP:
        return False
    if header.format is ImageFormat.PNG:
        return data[_PNG_COLOUR_TYPE] != _GREY
    return header.format is ImageFormat.TIFF and picture.mode in {"RGB", "RGBA"}


def _deep(
    picture: Pillow.Image, data: bytes, header: ImageHeader
) -> tuple[Channel, Channel | None]:
    told = getattr(picture, "tag_v2", {})
    if told.get(_TIFF_PLANES) == _APART:
        # OpenCV would take the planes for rows.
        raise UnsupportedFormat("16-bit TIFF with its channels apart is not supported")
    levels = levels_of(data, header)
    if levels.dtype != np.uint16 or levels.ndim != 3:  # noqa: PLR2004 (H, W, C)
        raise UnreadableImage(f"the 16-bit {header.format} file is damaged")
    wide: npt.NDArray[np.uint16] = levels.view(np.uint16)
    grey = header.format is ImageFormat.PNG and data[_PNG_COLOUR_TYPE] == _GREY_ALPHA
    colour = wide[..., :1] if grey else wide[..., 2::-1]
    if told.get(_TIFF_EXTRA) == (_PREMULTIPLIED,):
        _unmultiply(colour, wide[..., 3:])
    alpha = reduced(wide[..., 3], _DEEP) if header.has_alpha and wide.shape[2] > 3 else None  # noqa: PLR2004
    transparent = picture.info.get("transparency")
    if alpha is None and isinstance(transparent, tuple):
        alpha = np.where((colour == transparent).all(axis=2), 0, 255).astype(np.uint8)
    return reduced(colour, _DEEP), alpha


def _unmultiply(colour: npt.NDArray[np.uint16], alpha: npt.NDArray[np.uint16]) -> None:
    """Divide by alpha, in place: a second copy would be the largest of all."""
    for row, alphas in zip(colour, alpha, strict=True):
        opacity = np.maximum(alphas, 1)
        levels = (row * np.uint64(_WHITE) + opacity // 2) // opacity
        row[:] = np.minimum(levels, _WHITE)


def _deep_orientation(picture: Pillow.Image, data: bytes, header: ImageHeader) -> int:
    if header.format is ImageFormat.TIFF:
        value = getattr(picture, "tag_v2", {}).get(_TIFF_ORIENTATION, AS_STORED)
        return value if isinstance(value, int) and value in range(1, 9) else AS_STORED
    if "exif" not in picture.info and (late := exif_of(data)) is not None:
        picture.info["exif"] = late
    return orientation_of(picture) if "exif" in picture.info else AS_STORED


def _exif(picture: Pillow.Image, data: bytes, header: ImageHeader) -> bytes | None:
    return data if header.format is ImageFormat.TIFF else exif_block(picture.info.get("exif"))
