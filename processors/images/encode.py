"""A picture to the bytes of a file.

The same picture, asked for in the same way, gives the same bytes, on any number of cores. The
colour profile, alpha, and by whom it was made are always written; EXIF when it is asked for, a
place never.

What was measured (1.4 megapixels of a photograph, seconds of CPU and MB per megapixel):
PNG at level 6 0.27 and 0.95, at level 4 0.10 and 0.98, by runs alone 0.054 and 0.96; of a drawing
by runs alone 0.017 and 0.27, at level 4 0.022 and 0.16. TIFF by LZW 0.028 and 1.14, by deflate
0.19. AVIF at speed 6 0.97 and 0.21, at speed 8 0.35 and 0.22, at speed 9 0.08 and 0.25 with a
worse picture. JPEG at quality 95 and AVIF at 90 are equally near to the original (40.4 dB).
Memory beside the picture's own, of 64 megapixels: JPEG 0.32 GB, PNG 0.16, TIFF 0.43, AVIF in cells
0.49 (in one 2.7), WebP 1.0 and, with alpha, 2.3, which is why that ends at 40 megapixels.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import PngImagePlugin

from processors.images.avif_writer import write_avif
from processors.images.errors import ImageTooLarge
from processors.images.image import Image
from processors.images.metadata import DamagedMetadata, kept
from processors.images.provenance import Provenance, xmp_packet
from processors.images.tiff_exif import with_exif
from schemas.operations import ImageFormat, PictureParameters
from schemas.sizes import LONGEST_SIDE, most_pixels
from schemas.warnings import Warned

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

LOWEST_QUALITY: Final = 10
"""How far `target_bytes` lowers the quality, unless a lower one was asked for."""

_QUALITY: Final = {ImageFormat.JPEG: 95, ImageFormat.WEBP: 95, ImageFormat.AVIF: 90}
_PAPER: Final = 255

_PNG_BY_RUNS: Final = {"compress_level": 1, "compress_type": 3}  # zlib's Z_RLE
_PNG_BY_MATCHES: Final = {"compress_level": 4}
_PNG_SAMPLE_ROWS: Final = 64
_JPEG_EXIF: Final = 65_500  # one segment, with its length and prefix
_TIFF_XMP, _TIFF_PREDICTOR, _HORIZONTAL = 700, 317, 2


@dataclass(frozen=True, slots=True)
class Encoded:
    """A file, and what a client may want to know of how it was written."""

    body: bytes
    warnings: tuple[Warned, ...] = ()


@dataclass(frozen=True, slots=True)
class _Embedded:
    """What is written beside the pixels; empty bytes where there is nothing."""

    xmp: bytes
    exif: bytes
    icc: bytes


def encode(
    image: Image,
    form: ImageFormat,
    parameters: PictureParameters | None = None,
    *,
    made_by: Provenance,
    before_attempt: Callable[[], None] = lambda: None,
) -> Encoded:
    """Return `image` as a file of that format; `parameters` say how, its `format` aside.

    The quality is 95 by default, of AVIF 90, which comes as near to the picture; colours are at
    full resolution (4:4:4) unless halved (4:2:0), which WebP always does. JPEG knows no alpha: a
    picture with alpha is laid on white. For `target_bytes` the best quality is looked for by
    halving, at most seven times, down to `LOWEST_QUALITY`; `before_attempt` is called before
    each, and before each part of a large AVIF, and what it raises ends the search. A profile that
    a format cannot hold beside such pixels (WebP and AVIF: a grey one beside alpha, WebP: any grey
    one) is left out with a warning. Raises `ImageTooLarge` when the format cannot hold sides as
    long, or is not written of as many pixels.
    """
    longest = max(image.width, image.height)
    if longest > LONGEST_SIDE[form]:
        raise ImageTooLarge(
            f"a side of {longest} pixels does not fit into {form}; ask for png instead"
        )
    pixels = image.width * image.height
    if pixels > (most := most_pixels(form, alpha=image.alpha is not None)):
        raise ImageTooLarge(f"{pixels} pixels are over {most}, {form}'s most; ask for png instead")
    asked = parameters or PictureParameters()
    warnings: list[Warned] = []
    embedded = _embedded(image, form, asked, made_by, warnings)
    picture = _picture(image, form, warnings)

    def attempt(quality: int) -> bytes:
        if form is ImageFormat.AVIF:
            return write_avif(
                picture,
                quality=quality,
                subsampling=_subsampling(asked),
                icc=embedded.icc,
                exif=embedded.exif,
                xmp=embedded.xmp,
                before_part=before_attempt,
            )
        before_attempt()
        return _written(picture, form, quality, asked, embedded)

    quality = asked.quality or _QUALITY.get(form, 0)
    body = attempt(quality)
    if asked.target_bytes is not None and len(body) > asked.target_bytes:
        if form in _QUALITY and quality > 1:
            body = _fitting(attempt, quality, asked.target_bytes)
        if len(body) > asked.target_bytes:
            warnings.append(Warned.TARGET_NOT_REACHED)
    return Encoded(body, tuple(warnings))


def _fitting(attempt: Callable[[int], bytes], quality: int, most: int) -> bytes:
    """Return the file of the highest quality below `quality` that fits, or of the lowest."""
    low, high = min(LOWEST_QUALITY, quality), quality - 1
    best = attempt(low)
    low += 1
    while len(best) <= most and low <= high:
        middle = (low + high) // 2
        body = attempt(middle)
        if len(body) <= most:
            best, low = body, middle + 1
        else:
            high = middle - 1
    return best


def _written(
    picture: Pillow.Image,
    form: ImageFormat,
    quality: int,
    asked: PictureParameters,
    embedded: _Embedded,
) -> bytes:
    buffer = io.BytesIO()
    match form:
        case ImageFormat.JPEG:
            # Without `optimize`, which saves 2 %: Pillow gives it a buffer that a noisy picture
            # does not fit into, and then it fails.
            picture.save(
                buffer,
                "JPEG",
                quality=quality,
                subsampling=_subsampling(asked),
                icc_profile=embedded.icc,
                exif=_prefixed(embedded.exif),
                xmp=embedded.xmp,
            )
        case ImageFormat.PNG:
            texts = PngImagePlugin.PngInfo()
            texts.add_itxt("XML:com.adobe.xmp", embedded.xmp.decode())
            picture.save(
                buffer,
                "PNG",
                icc_profile=embedded.icc,
                exif=embedded.exif,
                pnginfo=texts,
                **_png_way(picture),
            )
        case ImageFormat.WEBP:
            picture.save(
                buffer,
                "WEBP",
                quality=quality,
                icc_profile=embedded.icc,
                exif=embedded.exif,
                xmp=embedded.xmp,
            )
        case ImageFormat.TIFF:
            picture.save(
                buffer,
                "TIFF",
                compression="tiff_lzw",
                tiffinfo={_TIFF_PREDICTOR: _HORIZONTAL, _TIFF_XMP: embedded.xmp},
                icc_profile=embedded.icc,
            )
            if embedded.exif:
                return with_exif(buffer.getvalue(), embedded.exif)
        case _:
            raise ValueError(f"{form} is read and not written")
    return buffer.getvalue()


def _subsampling(asked: PictureParameters) -> str:
    return ":".join(asked.subsampling)


def _prefixed(exif: bytes) -> bytes:
    return b"Exif\0\0" + exif if exif else b""


def _png_way(picture: Pillow.Image) -> dict[str, int]:
    """Return how zlib compresses the picture's middle rows best, or nearly so and faster.

    In photographs only runs repeat; in drawings and texts whole patterns do.
    """
    top = max(0, (picture.height - _PNG_SAMPLE_ROWS) // 2)
    rows = picture.crop((0, top, picture.width, min(picture.height, top + _PNG_SAMPLE_ROWS)))
    return min((_PNG_BY_RUNS, _PNG_BY_MATCHES), key=lambda way: _png_size(rows, way))


def _png_size(picture: Pillow.Image, way: dict[str, int]) -> int:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", **way)
    return buffer.tell()


def _embedded(
    image: Image,
    form: ImageFormat,
    asked: PictureParameters,
    made_by: Provenance,
    warnings: list[Warned],
) -> _Embedded:
    exif = b""
    if asked.metadata == "keep" and image.exif is not None:
        try:
            # Cleaned once more: a place that slips through is somebody's address.
            exif = kept(image.exif) or b""
        except DamagedMetadata:
            warnings.append(Warned.METADATA_DAMAGED)
    if form is ImageFormat.JPEG and len(exif) > _JPEG_EXIF:
        warnings.append(Warned.METADATA_NOT_WRITTEN)
        exif = b""
    icc = image.icc or b""
    if icc and not _holds_profile(image, form):
        warnings.append(Warned.PROFILE_UNUSABLE)
        icc = b""
    return _Embedded(xmp_packet(made_by), exif, icc)


def _holds_profile(image: Image, form: ImageFormat) -> bool:
    """Tell whether the pixels are stored in the colour space that the profile is of."""
    match form:
        case ImageFormat.WEBP:
            return not image.is_grey
        case ImageFormat.AVIF:
            return not image.is_grey or image.alpha is None
        case _:
            return True


def _picture(image: Image, form: ImageFormat, warnings: list[Warned]) -> Pillow.Image:
    if image.alpha is None:
        return Pillow.fromarray(_squeezed(image.pixels))
    if form is not ImageFormat.JPEG:
        return Pillow.fromarray(np.dstack([image.pixels, image.alpha]))
    warnings.append(Warned.ALPHA_FLATTENED)
    return Pillow.fromarray(_squeezed(_on_paper(image.pixels, image.alpha)))


def _on_paper(pixels: npt.NDArray[np.uint8], alpha: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    opacity = alpha[..., np.newaxis].astype(np.uint16)
    mixed = pixels * opacity + _PAPER * (255 - opacity)
    return ((mixed + 127) // 255).astype(np.uint8)


def _squeezed(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels
