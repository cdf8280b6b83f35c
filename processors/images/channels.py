"""From whatever channels a file stores to 8-bit grey or RGB, and alpha."""

import io
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import ImageCms

Channel: TypeAlias = npt.NDArray[np.uint8]

_PROFILE_HEADER = 128
_LONGEST_PROFILE = 4 << 20
_PROFILE_SPACE = slice(16, 20)


def to_channels(picture: Pillow.Image, profile: bytes | None) -> tuple[Channel, Channel | None]:
    """Return the colour, (H, W, 3) or (H, W, 1), and the alpha, (H, W), of a loaded picture.

    Alpha is None where the picture has none; one that is 255 throughout is kept.
    """
    match picture.mode:
        case "I;16" | "I;16B" | "I;16L" | "I;16N" | "I":
            return _from_16_bits(picture)
        case "CMYK":
            return _separated(_from_cmyk(picture, profile))
        case "1" | "L" | "LA":
            return _separated(picture.convert("LA" if picture.has_transparency_data else "L"))
        case _:
            return _separated(picture.convert("RGBA" if picture.has_transparency_data else "RGB"))


def profile_of(picture: Pillow.Image) -> bytes | None:
    """Return the ICC profile of a picture, if it has one of a sane length."""
    profile = picture.info.get("icc_profile")
    if isinstance(profile, bytes) and _PROFILE_HEADER <= len(profile) <= _LONGEST_PROFILE:
        return profile
    return None


def describes(profile: bytes | None, pixels: Channel) -> bool:
    """Tell whether a profile is of the colour space of `pixels`, (H, W, 1) or (H, W, 3)."""
    space = b"GRAY" if pixels.shape[2] == 1 else b"RGB "
    return profile is not None and profile[_PROFILE_SPACE] == space


def _separated(picture: Pillow.Image) -> tuple[Channel, Channel | None]:
    channels = np.asarray(picture, dtype=np.uint8)
    if channels.ndim == 2:  # noqa: PLR2004 (rows and columns, no channels)
        channels = channels[..., np.newaxis]
    colours = 1 if picture.mode in {"L", "LA"} else 3
    alpha = channels[..., colours] if channels.shape[2] > colours else None
    return channels[..., :colours], alpha


def _from_16_bits(picture: Pillow.Image) -> tuple[Channel, Channel | None]:
    levels = np.asarray(picture).astype(np.uint32)
    grey = ((levels * 255 + 32767) // 65535).astype(np.uint8)[..., np.newaxis]
    transparent = picture.info.get("transparency")
    if not isinstance(transparent, int):
        return grey, None
    return grey, np.where(levels == transparent, 0, 255).astype(np.uint8)


def _from_cmyk(picture: Pillow.Image, profile: bytes | None) -> Pillow.Image:
    """Convert to sRGB, through the profile if it is one of CMYK that lcms can use."""
    if profile is not None and profile[_PROFILE_SPACE] == b"CMYK":
        try:
            converted = ImageCms.profileToProfile(
                picture,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
            )
        except (ImageCms.PyCMSError, OSError, ValueError):
            converted = None
        if converted is not None:
            return converted
    return picture.convert("RGB")
