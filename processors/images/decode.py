"""Bytes of a file to pixels. Runs in the decoder's own process only.

Imported by a worker, this file would let a hostile picture reach libjpeg, libpng, libwebp or
lcms in the worker's memory; workers use `processors.images.decoder.Decoder`.
"""

import io
import warnings

from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from processors.images.channels import describes, profile_of, to_channels
from processors.images.errors import (
    DecodeLimitReached,
    FileTooLarge,
    ImageRefused,
    ImageTooLarge,
    TooManyFrames,
    TruncatedImage,
    UnreadableImage,
)
from processors.images.header import read_header
from processors.images.image import Image
from processors.images.limits import DecodeLimits
from processors.images.orientation import orientation_of, upright
from processors.images.png_rows import missing_bytes
from schemas.operations import ImageFormat


def decode(data: bytes, limits: DecodeLimits) -> Image:
    """Return the picture in `data`; of an animation, its first frame.

    16-bit channels are reduced to 8 bits, palettes are expanded, CMYK is converted to sRGB
    (through its profile if it has one that works), a PNG's gAMA and cHRM are ignored.
    Raises a kind of `ImageRefused`.
    """
    if len(data) > limits.file_bytes:
        raise FileTooLarge(f"{len(data)} bytes are more than {limits.file_bytes}")
    # The same parser that admission trusts: what it refused is refused here alike, and sizes
    # are known before Pillow reserves memory for them.
    header = read_header(lambda start, end: data[start:end], len(data))
    form = header.format
    _check_size(header.width, header.height, limits)
    try:
        _check_end(data, form)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _decode(data, form, limits)
    except ImageRefused:
        raise
    except MemoryError as error:
        raise DecodeLimitReached("decoding needs more memory than it may have") from error
    except UnidentifiedImageError as error:
        raise UnreadableImage(f"no picture can be read from this {form} file") from error
    except Exception as error:
        # Pillow's plug-ins raise what their parsing runs into: OSError, SyntaxError, ValueError,
        # struct.error, KeyError, zlib.error and more. All of them speak of the file.
        if "truncated" in str(error).lower():
            raise TruncatedImage(f"the {form} file ends too early: {error}") from error
        raise UnreadableImage(f"the {form} file is damaged: {error}") from error


def _check_end(data: bytes, form: ImageFormat) -> None:
    """Refuse what ends too early by the file's own account, which decoders partly forgive."""
    if form is ImageFormat.WEBP:
        announced = int.from_bytes(data[4:8], "little") + 8
        if len(data) < announced:
            raise TruncatedImage(f"{len(data)} bytes of {announced} are there")
    if form is ImageFormat.PNG:
        if b"IEND" not in data:
            raise TruncatedImage("the PNG file has no end")
        if missing := missing_bytes(data):
            raise TruncatedImage(f"the PNG file lacks {missing} bytes of rows")
    if form is ImageFormat.JPEG and b"\xff\xd9" not in data:
        raise TruncatedImage("the JPEG file has no end")


def _check_size(width: int, height: int, limits: DecodeLimits) -> None:
    if width * height > limits.pixels or max(width, height) > limits.side:
        raise ImageTooLarge(
            f"{width}x{height} is over {limits.pixels} pixels or {limits.side} a side"
        )


def _decode(data: bytes, form: ImageFormat, limits: DecodeLimits) -> Image:
    # Pillow's own limit would warn or raise at other sizes than the caller's.
    Pillow.MAX_IMAGE_PIXELS = None
    with Pillow.open(io.BytesIO(data), formats=[form.value.upper()]) as picture:
        width, height = picture.size
        _check_size(width, height, limits)
        frames = getattr(picture, "n_frames", 1)
        if frames > limits.frames:
            raise TooManyFrames(f"{frames} frames are more than {limits.frames}")
        picture.load()
        profile = profile_of(picture)
        pixels, alpha = to_channels(picture, profile)
        orientation = orientation_of(picture)
    return Image(
        pixels=upright(pixels, orientation),
        alpha=None if alpha is None else upright(alpha, orientation),
        icc=profile if describes(profile, pixels) else None,
        source_format=form,
        source_size=(width, height),
    )
