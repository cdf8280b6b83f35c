"""TIFF: Adobe's specification, revision 6.0. Dimensions stand in the first directory (IFD)."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from processors.images.errors import TruncatedImage, UnreadableImage, UnsupportedFormat
from processors.images.headers.facts import ImageHeader
from processors.images.headers.window import BudgetSpent, Readable, Window
from schemas.operations import ImageFormat

SIGNATURES: Final = (b"II*\0", b"MM\0*")

ByteOrder: TypeAlias = Literal["little", "big"]

MOST_ENTRIES: Final = 4_096

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC = 254, 256, 257, 258, 262
_SAMPLES, _SUB_DIRECTORIES, _EXTRA, _FORMAT, _DNG = 277, 330, 338, 339, 50706
_REDUCED: Final = 1
_RAW: Final = (32803, 34892)
_UNSIGNED: Final = 1
_WIDTHS: Final = {1: 1, 3: 2, 4: 4}
_ALPHAS: Final = (1, 2)
_COLOURS: Final = {2: 3, 5: 4, 6: 3, 8: 3}
_RGB: Final = 2


@dataclass(frozen=True, slots=True)
class Entry:
    """One field of a directory: its type, how many values, and where those lie.

    Four bytes of values or fewer lie `beside` it, more of them where the `pointer` leads.
    """

    kind: int
    count: int
    beside: int
    pointer: int

    def place(self, width: int) -> int:
        """Return where `width` bytes of values lie."""
        return self.beside if width <= 4 else self.pointer  # noqa: PLR2004 (room in a field)


def byte_order(start: bytes) -> ByteOrder:
    """Return the order that a TIFF beginning so is written in."""
    return "little" if start[:2] == b"II" else "big"


def read_directory(window: Readable, at: int, order: ByteOrder) -> tuple[dict[int, Entry], int]:
    """Return a directory's fields by their tag, and where the next directory lies; 0: nowhere.

    Raises `UnreadableImage`, `TruncatedImage` or `BudgetSpent`.
    """
    count = int.from_bytes(window.read(at, 2), order)
    if not 0 < count <= MOST_ENTRIES:
        raise UnreadableImage(f"a TIFF directory of {count} fields")
    body = window.read(at + 2, 12 * count + 4)
    fields: dict[int, Entry] = {}
    for start in range(0, 12 * count, 12):
        tag, kind = (int.from_bytes(body[start + n : start + n + 2], order) for n in (0, 2))
        values, pointer = (int.from_bytes(body[start + n : start + n + 4], order) for n in (4, 8))
        fields.setdefault(tag, Entry(kind, values, at + 2 + start + 8, pointer))
    return fields, int.from_bytes(body[-4:], order)


def numbers(window: Readable, entry: Entry, order: ByteOrder, *, most: int) -> list[int]:
    """Return a field's values, `most` at most. Raises `UnreadableImage` for what is no number."""
    width = _WIDTHS.get(entry.kind)
    if width is None:
        raise UnreadableImage(f"a TIFF field of type {entry.kind} where a number should be")
    count = min(entry.count, most)
    data = window.read(entry.place(width * entry.count), width * count)
    return [int.from_bytes(data[n : n + width], order) for n in range(0, len(data), width)]


def read_tiff(window: Window) -> ImageHeader:
    """Return the facts of a TIFF's first page.

    Raises `UnreadableImage`, `UnsupportedFormat` (a camera's raw format, or samples with a sign
    or a point) or `TruncatedImage`.
    """
    order = byte_order(window.read(0, 2))
    if window.read(8, 2) == b"CR":
        raise UnsupportedFormat("a camera's raw format is not supported; send TIFF or JPEG")
    try:
        first = int.from_bytes(window.read(4, 4), order)
        fields, following = read_directory(window, first, order)
        return _facts(window, fields, order, following)
    except BudgetSpent as error:
        raise UnreadableImage(f"the TIFF's directory is out of reach: {error}") from error


def _facts(
    window: Window, fields: dict[int, Entry], order: ByteOrder, following: int
) -> ImageHeader:
    def one(tag: int, default: int) -> int:
        found = numbers(window, fields[tag], order, most=1) if tag in fields else []
        return found[0] if found else default

    photometric = one(_PHOTOMETRIC, 0)
    thumbnail = one(_SUBFILE, 0) & _REDUCED and _SUB_DIRECTORIES in fields
    if _DNG in fields or photometric in _RAW or thumbnail:
        raise UnsupportedFormat("a camera's raw format is not supported; send TIFF or JPEG")
    if one(_FORMAT, _UNSIGNED) != _UNSIGNED:
        raise UnsupportedFormat("TIFF with signed or floating-point samples is not supported")
    width, height, samples = one(_WIDTH, 0), one(_HEIGHT, 0), one(_SAMPLES, 1)
    if not width or not height:
        raise UnreadableImage(f"a TIFF of {width} by {height} pixels")
    depths = numbers(window, fields[_BITS], order, most=8) if _BITS in fields else []
    extra = numbers(window, fields[_EXTRA], order, most=8) if _EXTRA in fields else []
    # Four samples of red, green and blue without a word on the fourth: it is taken as alpha.
    unnamed = photometric == _RGB and samples == 4 and _EXTRA not in fields  # noqa: PLR2004
    alpha = unnamed or (
        samples > _COLOURS.get(photometric, 1) and bool(extra) and extra[0] in _ALPHAS
    )
    if following > window.size:
        raise TruncatedImage(f"the TIFF's next page would be at byte {following}")
    return ImageHeader(
        ImageFormat.TIFF,
        width,
        height,
        alpha,
        frames_hint=2 if following else 1,
        depth=max(depths, default=1),
    )
