"""A picture to the bytes of a file.

The same picture gives the same bytes. Colour profile and alpha are kept; EXIF, GPS and all other
metadata are never written, for `Image` does not carry them.
"""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from processors.images.errors import ImageTooLarge
from processors.images.image import Image
from schemas.operations import ImageFormat

MEDIA_TYPES: dict[ImageFormat, str] = {
    ImageFormat.JPEG: "image/jpeg",
    ImageFormat.PNG: "image/png",
    ImageFormat.WEBP: "image/webp",
    ImageFormat.AVIF: "image/avif",
    ImageFormat.TIFF: "image/tiff",
    ImageFormat.HEIC: "image/heic",
    ImageFormat.GIF: "image/gif",
    ImageFormat.BMP: "image/bmp",
}

EXTENSIONS: dict[ImageFormat, str] = {form: form.extension for form in ImageFormat}

_LONGEST_SIDE: dict[ImageFormat, int] = {
    ImageFormat.JPEG: 65_500,  # libjpeg's own limit
    ImageFormat.PNG: 2**31 - 1,
    ImageFormat.WEBP: 16_383,  # 14 bits in the format
    ImageFormat.AVIF: 65_535,
    ImageFormat.TIFF: 2**31 - 1,
}

_QUALITY = 95
_PAPER = 255


def encode(image: Image, form: ImageFormat) -> bytes:
    """Return `image` as a file of that format.

    JPEG is written at quality 95 without chroma subsampling (4:4:4): halving the colour
    resolution again would blur just the edges that a restoration sharpened. It knows no alpha,
    so a picture with alpha is laid on white. WebP is lossy at quality 95 with lossless alpha.
    Raises `ImageTooLarge` when the format cannot hold sides as long.
    """
    longest = max(image.width, image.height)
    if longest > _LONGEST_SIDE[form]:
        raise ImageTooLarge(
            f"a side of {longest} pixels does not fit into {form}; ask for png instead"
        )
    buffer = io.BytesIO()
    match form:
        case ImageFormat.JPEG:
            _opaque(image).save(
                buffer, "JPEG", quality=_QUALITY, subsampling=0, icc_profile=image.icc
            )
        case ImageFormat.PNG:
            _with_alpha(image).save(buffer, "PNG", icc_profile=image.icc)
        case ImageFormat.WEBP:
            # WebP stores RGB alone; a grey picture's profile would not describe that.
            icc = None if image.is_grey else image.icc
            _with_alpha(image).save(buffer, "WEBP", quality=_QUALITY, icc_profile=icc or b"")
        case ImageFormat.AVIF:
            # AVIF as Pillow writes it stores RGB alone, as WebP does.
            icc = None if image.is_grey else image.icc
            _with_alpha(image).save(
                buffer, "AVIF", quality=_QUALITY, subsampling="4:4:4", icc_profile=icc or b""
            )
        case ImageFormat.TIFF:
            _with_alpha(image).save(
                buffer, "TIFF", compression="tiff_adobe_deflate", icc_profile=image.icc
            )
    return buffer.getvalue()


def _with_alpha(image: Image) -> Pillow.Image:
    if image.alpha is None:
        return Pillow.fromarray(_squeezed(image.pixels))
    return Pillow.fromarray(np.dstack([image.pixels, image.alpha]))


def _opaque(image: Image) -> Pillow.Image:
    if image.alpha is None:
        return Pillow.fromarray(_squeezed(image.pixels))
    opacity = image.alpha[..., np.newaxis].astype(np.uint32)
    mixed = image.pixels * opacity + _PAPER * (255 - opacity)
    return Pillow.fromarray(_squeezed(((mixed + 127) // 255).astype(np.uint8)))


def _squeezed(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels
