"""From whatever channels Pillow reads to 8-bit grey or RGB, and alpha."""

import io
from typing import TypeAlias

import numpy as np
from PIL import Image as Pillow
from PIL import ImageCms

from processors.images.depth import reduced
from processors.images.errors import UnsupportedFormat
from processors.images.loaded import Channel
from processors.images.profiles import CMYK, space_of
from schemas.warnings import Warned

Channels: TypeAlias = tuple[Channel, Channel | None]

_AT_ONCE = 1 << 20
_SHALLOW, _FULL = 8, 255
_WHITE_IS_ZERO = 0
_PHOTOMETRIC = 262


def to_channels(
    picture: Pillow.Image, profile: bytes | None, depth: int
) -> tuple[Channel, Channel | None, tuple[Warned, ...]]:
    """Return the colour, (H, W, 3) or (H, W, 1), the alpha, (H, W), and warnings.

    Alpha is None where the picture has none; one that is 255 throughout is kept. `profile` is
    a sound one or None, `depth` the bits a channel of the file. Raises `UnsupportedFormat` for
    numbers that are no levels of light between black and white.
    """
    match picture.mode:
        case "I;16" | "I;16B" | "I;16L" | "I;16N":
            return *_from_16_bits(picture, depth), ()
        case "I" | "F":
            raise UnsupportedFormat("pictures of signed, 32-bit or floating-point numbers")
        case "CMYK":
            colours, warnings = _from_cmyk(picture, profile)
            return *_separated(colours), warnings
        case "LAB":
            lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
            return *_separated(_converted(picture, lab)), ()
        case "L" if depth < _SHALLOW and isinstance(picture.info.get("transparency"), int):
            return *_with_transparent_level(picture, depth), ()
        case "1" | "L" | "LA" | "La":
            return *_separated(picture, "LA" if picture.has_transparency_data else "L"), ()
        case _:
            return *_separated(picture, "RGBA" if picture.has_transparency_data else "RGB"), ()


def _separated(picture: Pillow.Image, mode: str = "RGB") -> Channels:
    """Return colour and alpha of a picture as it is in that mode.

    Strip by strip: Pillow converts the whole into a second picture, and copies that out twice.
    """
    width, height = picture.size
    pixels = np.empty((height, width, 1 if mode in {"L", "LA"} else 3), np.uint8)
    alpha = np.empty((height, width), np.uint8) if mode in {"LA", "RGBA"} else None
    rows = max(1, _AT_ONCE // width)
    for top in range(0, height, rows):
        bottom = min(height, top + rows)
        strip = np.asarray(picture.crop((0, top, width, bottom)).convert(mode))
        strip = strip.reshape(bottom - top, width, -1)
        pixels[top:bottom] = strip[..., : pixels.shape[2]]
        if alpha is not None:
            alpha[top:bottom] = strip[..., -1]
    return pixels, alpha


def _with_transparent_level(picture: Pillow.Image, depth: int) -> Channels:
    """Make a level of a PNG's 2 or 4 bits transparent, which Pillow takes for one of 8 bits."""
    most = (1 << depth) - 1
    grey, _ = _separated(picture, "L")
    transparent = (picture.info["transparency"] & most) * _FULL // most
    return grey, np.where(grey[..., 0] == transparent, 0, _FULL).astype(np.uint8)


def _from_16_bits(picture: Pillow.Image, depth: int) -> Channels:
    levels = np.asarray(picture).astype(np.uint16, copy=False)
    grey = reduced(levels, depth)[..., np.newaxis]
    # Pillow turns grey TIFF the right way round only in 8 bits.
    tags = getattr(picture, "tag_v2", {})
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        grey = np.invert(grey)
    transparent = picture.info.get("transparency")
    if not isinstance(transparent, int):
        return grey, None
    return grey, np.where(levels == transparent, 0, 255).astype(np.uint8)


def _from_cmyk(
    picture: Pillow.Image, profile: bytes | None
) -> tuple[Pillow.Image, tuple[Warned, ...]]:
    """Convert to sRGB, through the profile if it is one of CMYK that lcms can use."""
    if profile is None:
        return picture.convert("RGB"), (Warned.PROFILE_MISSING,)
    if space_of(profile) != CMYK:
        return picture.convert("RGB"), (Warned.PROFILE_MISSING, Warned.PROFILE_UNUSABLE)
    try:
        return _converted(picture, ImageCms.ImageCmsProfile(io.BytesIO(profile))), ()
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture.convert("RGB"), (Warned.PROFILE_UNUSABLE,)


def _converted(picture: Pillow.Image, source: ImageCms.ImageCmsProfile) -> Pillow.Image:
    converted = ImageCms.profileToProfile(
        picture,
        source,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
    )
    if converted is None:
        raise ValueError("the profile converted nothing")
    return converted
