"""ICC profiles: which are sound, and what colour space they describe (ICC.1:2022, section 7)."""

import io
from typing import Final

from PIL import ImageCms

RGB: Final = b"RGB "
GREY: Final = b"GRAY"
CMYK: Final = b"CMYK"

_MODES: Final = {RGB: "RGB", GREY: "L"}
_HEADER: Final = 128
_SPACE: Final = slice(16, 20)
_LONGEST: Final = 4 << 20


def sound(profile: object) -> bytes | None:
    """Return a profile as it is, or None for one that is too long or that lcms cannot open."""
    if not isinstance(profile, bytes) or not _HEADER < len(profile) <= _LONGEST:
        return None
    try:
        ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None
    return profile


def space_of(profile: bytes) -> bytes:
    """Return the four letters of the colour space that a profile describes."""
    return profile[_SPACE]


def describes(profile: bytes, *, grey: bool) -> bool:
    """Tell whether a sound profile is of grey, or of RGB, and converts such pixels."""
    space = space_of(profile)
    if space != (GREY if grey else RGB):
        return False
    try:
        ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            _MODES[space],
            "RGB",
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return False
    return True
