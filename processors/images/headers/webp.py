"""WebP: RFC 9649, with VP8 (RFC 6386) and VP8L within. The first chunk tells it all."""

from processors.images.errors import TruncatedImage, UnreadableImage
from processors.images.headers.facts import ImageHeader
from processors.images.headers.window import Window
from schemas.operations import ImageFormat

_FIRST_CHUNK = 12
_DATA = _FIRST_CHUNK + 8
_ANIMATED, _ALPHA = 0x02, 0x10


def is_webp(start: bytes) -> bool:
    """Tell whether a file that begins so is a WebP."""
    return start[:4] == b"RIFF" and start[8:12] == b"WEBP"


def read_webp(window: Window) -> ImageHeader:
    """Return the facts of a WebP. Raises `UnreadableImage` or `TruncatedImage`."""
    riff = 8 + int.from_bytes(window.read(4, 4), "little")
    if riff > window.size:
        raise TruncatedImage(f"the WebP announces {riff} bytes and has {window.size}")
    match window.read(_FIRST_CHUNK, 4):
        case b"VP8 ":
            return _lossy(window.read(_DATA, 10))
        case b"VP8L":
            return _lossless(window.read(_DATA, 5))
        case b"VP8X":
            return _extended(window.read(_DATA, 10))
        case other:
            raise UnreadableImage(f"the WebP begins with {other!r}")


def _lossy(frame: bytes) -> ImageHeader:
    if frame[0] & 1 or frame[3:6] != b"\x9d\x01\x2a":
        raise UnreadableImage("the WebP does not begin with a VP8 key frame")
    width = int.from_bytes(frame[6:8], "little") & 0x3FFF
    height = int.from_bytes(frame[8:10], "little") & 0x3FFF
    if not width or not height:
        raise UnreadableImage(f"a WebP of {width} by {height} pixels")
    return ImageHeader(ImageFormat.WEBP, width, height, has_alpha=False)


def _lossless(frame: bytes) -> ImageHeader:
    bits = int.from_bytes(frame[1:5], "little")
    if frame[0] != 0x2F or bits >> 29:  # noqa: PLR2004 - VP8L's signature; version 0
        raise UnreadableImage("the WebP does not begin with a VP8L header")
    width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return ImageHeader(ImageFormat.WEBP, width, height, has_alpha=bool(bits >> 28 & 1))


def _extended(canvas: bytes) -> ImageHeader:
    flags = canvas[0]
    width = int.from_bytes(canvas[4:7], "little") + 1
    height = int.from_bytes(canvas[7:10], "little") + 1
    frames = 2 if flags & _ANIMATED else 1
    return ImageHeader(ImageFormat.WEBP, width, height, bool(flags & _ALPHA), frames_hint=frames)
