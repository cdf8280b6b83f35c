"""Bytes of a file to pixels. Runs in the decoder's own process only.

Imported by a worker, this file would let a hostile picture reach libjpeg, libtiff, libheif or
lcms in the worker's memory; workers use `processors.images.decoder.Decoder`.
"""

import warnings

from PIL import UnidentifiedImageError

from processors.images import heic_reader, opencv_reader, pillow_reader
from processors.images.endings import bmp
from processors.images.endings.whole import counted
from processors.images.errors import (
    DecodeLimitReached,
    FileTooLarge,
    ImageRefused,
    TruncatedImage,
    UnreadableImage,
    UnsupportedFormat,
)
from processors.images.header import read_header
from processors.images.headers.facts import ImageHeader
from processors.images.heard import heard
from processors.images.image import Image
from processors.images.jpeg_damage import stumbles
from processors.images.limits import DecodeLimits
from processors.images.loaded import Loaded
from processors.images.metadata import DamagedMetadata, kept
from processors.images.orientation import upright
from processors.images.profiles import describes
from schemas.operations import ImageFormat
from schemas.warnings import Warned

_SHALLOW = 8
_NO_ROOM = ("insufficient memory", "bytes failed", "out of memory", "allocate memory")
_EARLY = ("truncated", "not enough image data", "end of file", "premature")


def decode(data: bytes, limits: DecodeLimits) -> Image:
    """Return the picture in `data`; of several, the first, or the one that the file says.

    16-bit channels are reduced to 8 bits, palettes are expanded, CMYK and CIELAB are converted
    to sRGB (CMYK through its profile if it has one that works), a PNG's gAMA and cHRM are
    ignored. What was lost or guessed on the way is among the picture's warnings. Raises a kind of
    `ImageRefused`.
    """
    if len(data) > limits.file_bytes:
        raise FileTooLarge(f"{len(data)} bytes are more than {limits.file_bytes}")
    # The same parser that admission trusts: what it refused is refused here alike, and sizes
    # are known before a decoder reserves memory for them.
    header = read_header(lambda start, end: data[start:end], len(data))
    limits.check(header)
    try:
        frames = counted(data, header, most=limits.frames)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded, complained = heard(lambda: _read(data, header, limits))
            if header.format is ImageFormat.JPEG:
                complained = stumbles(data)
            return _finished(loaded, header, frames, damaged=complained)
    except ImageRefused:
        raise
    except MemoryError as error:
        raise DecodeLimitReached("decoding needs more memory than it may have") from error
    except UnidentifiedImageError as error:
        if header.format is ImageFormat.TIFF:
            # Its directory and its parts are there: it is of one of the rarer kinds.
            raise UnsupportedFormat("TIFF with samples of this kind is not supported") from error
        raise UnreadableImage(f"no picture can be read from this {header.format} file") from error
    except Exception as error:
        # Decoders raise what their parsing runs into: OSError, SyntaxError, ValueError,
        # struct.error, KeyError, zlib.error and more. All of them speak of the file.
        said = str(error).lower()
        if any(words in said for words in _NO_ROOM):
            raise DecodeLimitReached("decoding needs more memory than it may have") from error
        if any(words in said for words in _EARLY):
            raise TruncatedImage(f"the {header.format} file ends too early: {error}") from error
        raise UnreadableImage(f"the {header.format} file is damaged: {error}") from error


def _read(data: bytes, header: ImageHeader, limits: DecodeLimits) -> Loaded:
    if header.format is ImageFormat.HEIC:
        return heic_reader.read(data, header)
    if header.format is ImageFormat.BMP and bmp.in_runs(data):
        return opencv_reader.read_runs(data, header)
    if header.format is ImageFormat.WEBP and header.frames_hint == 1:
        return opencv_reader.read_webp(data, header)
    return pillow_reader.read(data, header, limits)


def _finished(loaded: Loaded, header: ImageHeader, frames: int, *, damaged: bool) -> Image:
    told = list(loaded.warnings)
    if damaged:
        told.append(Warned.DATA_DAMAGED)
    if max(frames, loaded.frames) > 1:
        told.append(Warned.FIRST_FRAME_ONLY)
    if loaded.depth > _SHALLOW:
        told.append(Warned.DEPTH_REDUCED)
    exif = None
    if loaded.exif is not None:
        try:
            exif = kept(loaded.exif)
        except DamagedMetadata:
            told.append(Warned.METADATA_DAMAGED)
    icc = loaded.icc
    if icc is not None and not describes(icc, grey=loaded.pixels.shape[2] == 1):
        told.append(Warned.PROFILE_UNUSABLE)
        icc = None
    turned = loaded.orientation
    return Image(
        pixels=upright(loaded.pixels, turned),
        alpha=None if loaded.alpha is None else upright(loaded.alpha, turned),
        icc=icc,
        source_format=header.format,
        source_size=(header.width, header.height),
        exif=exif,
        warnings=tuple(dict.fromkeys(told)),
    )
