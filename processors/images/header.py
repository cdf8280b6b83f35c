"""A picture's header facts from a few ranges of its bytes: pure, and light to import."""

from collections.abc import Callable

from processors.images.errors import (
    EmptyFile,
    TruncatedImage,
    UnreadableImage,
    UnsupportedFormat,
)
from processors.images.headers.bmp import is_bmp, read_bmp
from processors.images.headers.facts import ImageHeader
from processors.images.headers.gif import SIGNATURES as GIF_SIGNATURES
from processors.images.headers.gif import read_gif
from processors.images.headers.heif import is_heif, read_heif
from processors.images.headers.jpeg import SIGNATURE as JPEG_SIGNATURE
from processors.images.headers.jpeg import read_jpeg
from processors.images.headers.png import SIGNATURE as PNG_SIGNATURE
from processors.images.headers.png import read_png
from processors.images.headers.tiff import SIGNATURES as TIFF_SIGNATURES
from processors.images.headers.tiff import read_tiff
from processors.images.headers.webp import is_webp, read_webp
from processors.images.headers.window import MAX_BYTES, MAX_RANGES, Fetch, Window

__all__ = ["MAX_BYTES", "MAX_RANGES", "Fetch", "ImageHeader", "read_header"]

_SNIFFED = 512
_SUPPORTED = "JPEG, PNG, WebP, AVIF, HEIC, TIFF, GIF or BMP"

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"II+\0", "BigTIFF"),
    (b"MM\0+", "BigTIFF"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"%PDF-", "PDF"),
    (b"8BPS", "Photoshop"),
    (b"\0\0\x01\0", "icon"),
    (b"PK\x03\x04", "ZIP"),
    (b"IIU\0", "a camera's raw format"),
    (b"IIRO", "a camera's raw format"),
    (b"FUJIFILMCCD-RAW", "a camera's raw format"),
    (b"\xd7\xcd\xc6\x9a", "Windows metafile"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"v/1\x01", "OpenEXR"),
)
_BEFORE_SVG = (b"<svg", b"<?xml", b"<!--", b"<!DOCTYPE svg")
_BRANDS: dict[bytes, str] = {b"crx ": "Canon raw", b"mif3": "HEIF without a `meta` box"}
_CUT = (JPEG_SIGNATURE, PNG_SIGNATURE, *GIF_SIGNATURES, *TIFF_SIGNATURES)
"""What a file of a few bytes may have been the beginning of."""


def read_header(fetch: Fetch, size: int) -> ImageHeader:
    """Return the header facts of an object of `size` bytes.

    `fetch(start, end)` returns the bytes from `start` up to, without, `end`; it is called
    at most `MAX_RANGES` times, for `MAX_BYTES` in all, and never beyond `size`. Pixels are
    not looked at: a picture with a good header may still be broken. Raises `EmptyFile`,
    `UnsupportedFormat`, `UnreadableImage` or `TruncatedImage`, and whatever `fetch` raises.
    """
    if size == 0:
        raise EmptyFile("the object has no bytes")
    window = Window(fetch, size)
    start = window.read(0, min(size, _SNIFFED))
    for begins, read in _READERS:
        if begins(start):
            return read(window)
    if name := _unsupported(start):
        raise UnsupportedFormat(f"{name} is not supported; send {_SUPPORTED}")
    if len(start) > 1 and any(signature.startswith(start) for signature in _CUT):
        raise TruncatedImage(f"the picture ends after {len(start)} bytes")
    raise UnreadableImage(f"no picture begins with the bytes {start[:8].hex(' ')}")


def _unsupported(start: bytes) -> str | None:
    """Return the name of the known format that begins so."""
    for signature, name in _SIGNATURES:
        if start.startswith(signature):
            return name
    if start[4:8] == b"ftyp":
        return _BRANDS.get(start[8:12], "video")
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(_BEFORE_SVG) and b"<svg" in text:
        return "SVG"
    return None


def _with(*signatures: bytes) -> Callable[[bytes], bool]:
    return lambda start: start.startswith(signatures)


_READERS: tuple[tuple[Callable[[bytes], bool], Callable[[Window], ImageHeader]], ...] = (
    (_with(JPEG_SIGNATURE), read_jpeg),
    (_with(PNG_SIGNATURE), read_png),
    (is_webp, read_webp),
    (_with(*GIF_SIGNATURES), read_gif),
    (_with(*TIFF_SIGNATURES), read_tiff),
    (is_heif, read_heif),
    (is_bmp, read_bmp),
)
