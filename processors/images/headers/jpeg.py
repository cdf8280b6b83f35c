"""JPEG: ITU-T T.81, annex B. Dimensions stand in the frame header (SOF)."""

from processors.images.errors import TruncatedImage, UnreadableImage, UnsupportedFormat
from processors.images.headers.facts import ImageHeader
from processors.images.headers.window import BudgetSpent, Window
from schemas.operations import ImageFormat

SIGNATURE = b"\xff\xd8\xff"

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
_END, _SCAN = 0xD9, 0xDA
_FILL = 0xFF
_MAX_FILL = 1024


def read_jpeg(window: Window) -> ImageHeader:
    """Return the facts of a JPEG.

    Segments before the frame header (EXIF with its thumbnail, ICC, XMP) are stepped over
    by their length and never looked into. Raises `UnreadableImage`, `UnsupportedFormat`
    or `TruncatedImage`.
    """
    at = len(SIGNATURE) - 1
    try:
        while True:
            marker, at = _marker(window, at)
            if marker in _WITHOUT_LENGTH:
                continue
            if marker in (_END, _SCAN):
                raise UnreadableImage(f"no frame header before byte {at} of the JPEG")
            length = int.from_bytes(window.read(at, 2))
            if marker in _FRAMES:
                return _frame(window, at, length)
            if length < 2:  # noqa: PLR2004 - the length counts its own two bytes
                raise UnreadableImage(f"a JPEG segment of {length} bytes at byte {at}")
            at += length
    except BudgetSpent as error:
        raise UnreadableImage(
            f"too much metadata before the JPEG's frame header: {error}"
        ) from error


def _marker(window: Window, at: int) -> tuple[int, int]:
    """Return the marker at `at`, and the offset after it."""
    if window.read(at, 1)[0] != _FILL:
        raise UnreadableImage(f"no JPEG marker at byte {at}")
    for offset in range(at + 1, at + _MAX_FILL):
        code = window.read(offset, 1)[0]
        if code == 0:
            raise UnreadableImage(f"no JPEG marker at byte {at}")
        if code != _FILL:
            return code, offset + 1
    raise UnreadableImage(f"only fill bytes from byte {at} of the JPEG")


def _frame(window: Window, at: int, length: int) -> ImageHeader:
    if at + length > window.size:
        raise TruncatedImage("the JPEG ends within its frame header")
    frame = window.read(at, 8)
    precision, components = frame[2], frame[7]
    height, width = int.from_bytes(frame[3:5]), int.from_bytes(frame[5:7])
    if length != 8 + 3 * components or components not in (1, 3, 4):
        raise UnreadableImage(f"a JPEG frame header of {length} bytes for {components} components")
    if precision != 8:  # noqa: PLR2004 - bits per sample
        raise UnsupportedFormat(f"JPEG with {precision} bits per sample is not supported")
    if not width or not height:
        raise UnreadableImage(f"a JPEG of {width} by {height} pixels")
    return ImageHeader(ImageFormat.JPEG, width, height, has_alpha=False)
