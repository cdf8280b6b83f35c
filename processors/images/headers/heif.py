"""HEIC and AVIF: ISO/IEC 23008-12 items in ISO/IEC 14496-12 boxes.

The box `meta` names the primary item (`pitm`) and gives each item its properties: the size
(`ispe`), turns (`irot`), the coder's settings. Pixels lie elsewhere and are not looked at.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from processors.images.errors import TruncatedImage, UnreadableImage, UnsupportedFormat
from processors.images.headers.facts import ImageHeader
from processors.images.headers.window import BudgetSpent, Readable, Window
from schemas.operations import ImageFormat

_HEIC: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"})
_AVIF: Final = frozenset({b"avif", b"avis"})
_EITHER: Final = frozenset({b"mif1", b"mif2", b"msf1"})
_SEQUENCES: Final = frozenset({b"avis", b"hevc", b"hevx"})
_ALPHAS: Final = (
    b"urn:mpeg:hevc:2015:auxid:1",
    b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha",
)
_MOST_BOXES: Final = 10_000


def is_heif(start: bytes) -> bool:
    """Tell whether a file that begins so is a HEIC or AVIF, or of a kind that may hold either."""
    return start[4:8] == b"ftyp" and start[8:12] in _HEIC | _AVIF | _EITHER


@dataclass(frozen=True, slots=True)
class Box:
    """A box: its kind, and where its content begins and ends."""

    kind: bytes
    start: int
    end: int


def boxes(window: Readable, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes from `start` to `end`. Raises `UnreadableImage` for one of no sense."""
    for _ in range(_MOST_BOXES):
        if start + 8 > end:
            return
        head = window.read(start, 8)
        length, content = int.from_bytes(head[:4]), start + 8
        if length == 1:
            length, content = int.from_bytes(window.read(start + 8, 8)), start + 16
        if length == 0:
            length = end - start
        if length < content - start:
            raise UnreadableImage(f"a box of {length} bytes at byte {start}")
        yield Box(head[4:], content, start + length)
        start += length
    raise UnreadableImage(f"more than {_MOST_BOXES} boxes")


def read_heif(window: Window) -> ImageHeader:
    """Return the facts of a HEIC or AVIF; `frames_hint` is 2 for one that calls itself a sequence.

    The size is the primary item's, of a HEIC as it is cropped. Raises `UnreadableImage`,
    `UnsupportedFormat` or `TruncatedImage`.
    """
    try:
        form, sequence = _brands(window)
        meta = _meta(window)
        return _facts(window, meta, form, frames=2 if sequence else 1)
    except BudgetSpent as error:
        raise UnreadableImage(f"the picture's properties are out of reach: {error}") from error


def _brands(window: Window) -> tuple[ImageFormat, bool]:
    length = int.from_bytes(window.read(0, 4))
    if not 16 <= length <= 1024:  # noqa: PLR2004 (four brands or some more)
        raise UnreadableImage(f"the file begins with a box of {length} bytes")
    body = window.read(8, length - 8)
    major = body[:4]
    compatible = {body[at : at + 4] for at in range(8, len(body) - 3, 4)}
    for brands in ({major}, compatible):
        for form, known in ((ImageFormat.AVIF, _AVIF), (ImageFormat.HEIC, _HEIC)):
            if brands & known:
                return form, major in _SEQUENCES
    named = major.decode("ascii", "replace")
    raise UnsupportedFormat(f"HEIF of the kind {named} is not supported; send HEIC or AVIF")


def _meta(window: Window) -> dict[bytes, Box]:
    """Return the boxes within `meta` by their kind, the first of each."""
    for box in boxes(window, 0, window.size):
        if box.end > window.size:
            raise TruncatedImage(f"the file ends within its box {box.kind!r}")
        if box.kind == b"meta":
            found: dict[bytes, Box] = {}
            for inner in boxes(window, box.start + 4, box.end):
                if inner.end > box.end:
                    raise UnreadableImage(f"a box {inner.kind!r} longer than what it is in")
                found.setdefault(inner.kind, inner)
            return found
    raise UnreadableImage("a HEIC or AVIF file without a picture")


def _facts(window: Window, meta: dict[bytes, Box], form: ImageFormat, frames: int) -> ImageHeader:
    if b"pitm" not in meta or b"iprp" not in meta:
        raise UnreadableImage("a HEIC or AVIF file without a primary picture")
    primary = _primary(window, meta[b"pitm"])
    aids = _aids(window, meta[b"iref"], primary) if b"iref" in meta else []
    found = _properties(window, meta[b"iprp"], {primary, *aids})
    own = {box.kind: box for box in reversed(found.get(primary, []))}
    if b"ispe" not in own:
        raise UnreadableImage("the picture's size is not told")
    size = window.read(own[b"ispe"].start + 4, 8)
    width, height = int.from_bytes(size[:4]), int.from_bytes(size[4:])
    # libavif leaves the crop to others, libheif applies it.
    if form is ImageFormat.HEIC and b"clap" in own:
        width, height = _cropped(window, own[b"clap"], width, height)
    if not width or not height:
        raise UnreadableImage(f"a picture of {width} by {height} pixels")
    turns = window.read(own[b"irot"].start, 1)[0] & 3 if b"irot" in own else 0
    alpha = any(
        box.kind == b"auxC" and _is_alpha(window, box) for aid in aids for box in found.get(aid, [])
    )
    return ImageHeader(
        form,
        width,
        height,
        alpha,
        frames_hint=frames,
        depth=_depth(window, own),
        quarter_turned=bool(turns & 1),
    )


def _primary(window: Window, box: Box) -> int:
    wide = window.read(box.start, 1)[0] > 0
    return int.from_bytes(window.read(box.start + 4, 4 if wide else 2))


def _aids(window: Window, box: Box, primary: int) -> list[int]:
    """Return the items that say of themselves that they are auxiliary to the primary one."""
    width = 4 if window.read(box.start, 1)[0] else 2
    aids = []
    for reference in boxes(window, box.start + 4, box.end):
        if reference.kind != b"auxl":
            continue
        source = int.from_bytes(window.read(reference.start, width))
        count = int.from_bytes(window.read(reference.start + width, 2))
        at = reference.start + width + 2
        if at + count * width > box.end:
            raise UnreadableImage("a reference between items longer than what it is in")
        data = window.read(at, count * width)
        if primary in (int.from_bytes(data[n : n + width]) for n in range(0, len(data), width)):
            aids.append(source)
    return aids


def _properties(window: Window, box: Box, wanted: set[int]) -> dict[int, list[Box]]:
    """Return the properties of the wanted items, in the order that they are applied in."""
    kept: list[Box] = []
    found: dict[int, list[Box]] = {}
    for inner in boxes(window, box.start, box.end):
        if inner.end > box.end:
            raise UnreadableImage(f"a box {inner.kind!r} longer than what it is in")
        if inner.kind == b"ipco":
            kept = list(boxes(window, inner.start, inner.end))
        if inner.kind == b"ipma":
            for item, indices in _uses(window, inner):
                if item in wanted:
                    found[item] = [kept[index - 1] for index in indices if 0 < index <= len(kept)]
    return found


def _uses(window: Window, box: Box) -> Iterator[tuple[int, list[int]]]:
    head = window.read(box.start, 8)
    item_width, index_width = 4 if head[0] else 2, 2 if head[3] & 1 else 1
    at = box.start + 8
    for _ in range(int.from_bytes(head[4:])):
        item = int.from_bytes(window.read(at, item_width))
        count = window.read(at + item_width, 1)[0]
        at += item_width + 1
        data = window.read(at, count * index_width)
        at += len(data)
        if at > box.end:
            raise UnreadableImage("the properties of items are longer than what they are in")
        mask = (1 << (8 * index_width - 1)) - 1  # the first bit says that it is essential
        yield (
            item,
            [
                int.from_bytes(data[n : n + index_width]) & mask
                for n in range(0, len(data), index_width)
            ],
        )


def _is_alpha(window: Window, box: Box) -> bool:
    text = window.read(box.start + 4, max(0, min(box.end - box.start - 4, 64)))
    return text.split(b"\0")[0] in _ALPHAS


def _cropped(window: Window, box: Box, width: int, height: int) -> tuple[int, int]:
    across, across_of, down, down_of = (
        int.from_bytes(window.read(box.start + at, 4)) for at in (0, 4, 8, 12)
    )
    if not across_of or not down_of:
        raise UnreadableImage("a crop by a fraction of nothing")
    return min(width, across // across_of), min(height, down // down_of)


def _depth(window: Window, own: dict[bytes, Box]) -> int:
    """Return bits a channel, by the coder's settings, or else by what a grid of parts says."""
    if b"hvcC" in own:
        return 8 + (window.read(own[b"hvcC"].start + 17, 1)[0] & 7)
    if b"av1C" in own:
        flags = window.read(own[b"av1C"].start + 2, 1)[0]
        return (8, 10, 8, 12)[flags >> 5 & 3]
    if b"pixi" in own:
        box = own[b"pixi"]
        count = window.read(box.start + 4, 1)[0]
        return max(
            window.read(box.start + 5, min(count, max(0, box.end - box.start - 5))), default=8
        )
    return 8
