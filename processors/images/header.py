"""A picture's header facts from a few ranges of its bytes: pure, and light to import."""

from processors.images.errors import (
    EmptyFile,
    TruncatedImage,
    UnreadableImage,
    UnsupportedFormat,
)
from processors.images.headers.facts import ImageHeader
from processors.images.headers.jpeg import SIGNATURE as JPEG_SIGNATURE
from processors.images.headers.jpeg import read_jpeg
from processors.images.headers.png import SIGNATURE as PNG_SIGNATURE
from processors.images.headers.png import read_png
from processors.images.headers.webp import is_webp, read_webp
from processors.images.headers.window import MAX_BYTES, MAX_RANGES, Fetch, Window

__all__ = ["MAX_BYTES", "MAX_RANGES", "Fetch", "ImageHeader", "read_header"]

_SNIFFED = 512

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF (or a camera's raw format)"),
    (b"MM\0*", "TIFF (or a camera's raw format)"),
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
)
_BRANDS: dict[bytes, str] = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1"), "HEIC"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    b"crx ": "Canon raw",
}
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)


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
    if start.startswith(JPEG_SIGNATURE):
        return read_jpeg(window)
    if start.startswith(PNG_SIGNATURE):
        return read_png(window)
    if is_webp(start):
        return read_webp(window)
    if name := _unsupported(start):
        raise UnsupportedFormat(f"{name} is not supported; send JPEG, PNG or WebP")
    if len(start) > 1 and (JPEG_SIGNATURE.startswith(start) or PNG_SIGNATURE.startswith(start)):
        raise TruncatedImage(f"the picture ends after {len(start)} bytes")
    raise UnreadableImage(f"no picture begins with the bytes {start[:8].hex(' ')}")


def _unsupported(start: bytes) -> str | None:
    """Return the name of the known format that begins so."""
    for signature, name in _SIGNATURES:
        if start.startswith(signature):
            return name
    if start[4:8] == b"ftyp":
        return _BRANDS.get(start[8:12], "video")
    if start[:2] == b"BM" and int.from_bytes(start[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"<svg") or (text.startswith(b"<?xml") and b"<svg" in text):
        return "SVG"
    return None
