"""HEIC and AVIF: ISO/IEC 23008-12 items in ISO/IEC 14496-12 boxes.

The box `meta` names the primary item (`pitm`) and gives each item its properties: the size
(`ispe`), turns (`irot`), the coder's settings. Pixels lie elsewhere and are not looked at.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
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
_READ: Final = frozenset({b"ispe", b"irot", b"clap", b"hvcC", b"av1C", b"pixi", b"auxC"})
_BEGINNING: Final = 64
_HEVC_DEPTH, _AV1_DEPTH = 17, 2
_AV1_MONOCHROME: Final = 0x10
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
        return _facts(_meta(window), form, frames=2 if sequence else 1)
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


@dataclass(frozen=True, slots=True)
class _Property:
    """The beginning of a property: of those that are read, the whole."""

    kind: bytes
    data: bytes


@dataclass(slots=True)
class _Told:
    """What `meta` tells, gathered in one pass: a profile among the properties may be long."""

    primary: int | None = None
    properties: list[_Property] = field(default_factory=list)
    uses: dict[int, list[int]] = field(default_factory=dict)
    aids: list[tuple[int, list[int]]] = field(default_factory=list)

    def of(self, item: int) -> list[_Property]:
        """Return an item's properties, in the order that they are applied in."""
        indices = self.uses.get(item, [])
        return [self.properties[n - 1] for n in indices if 0 < n <= len(self.properties)]


def _meta(window: Window) -> _Told:
    for box in boxes(window, 0, window.size):
        if box.end > window.size:
            raise TruncatedImage(f"the file ends within its box {box.kind!r}")
        if box.kind == b"meta":
            told = _Told()
            for inner in _within(window, box.start + 4, box.end):
                match inner.kind:
                    case b"pitm":
                        told.primary = _primary(window, inner)
                    case b"iref":
                        told.aids = list(_aids(window, inner))
                    case b"iprp":
                        _read_properties(window, inner, told)
                    case _:
                        pass
            return told
    raise UnreadableImage("a HEIC or AVIF file without a picture")


def _within(window: Window, start: int, end: int) -> Iterator[Box]:
    for inner in boxes(window, start, end):
        if inner.end > end:
            raise UnreadableImage(f"a box {inner.kind!r} longer than what it is in")
        yield inner


def _facts(told: _Told, form: ImageFormat, frames: int) -> ImageHeader:
    if told.primary is None:
        raise UnreadableImage("a HEIC or AVIF file without a primary picture")
    own = {one.kind: one.data for one in reversed(told.of(told.primary))}
    size = own.get(b"ispe", b"")
    width, height = _number(size, 4), _number(size, 8)
    # libavif leaves the crop to others, libheif applies it.
    if form is ImageFormat.HEIC and b"clap" in own:
        width, height = _cropped(own[b"clap"], width, height)
    if not width or not height:
        raise UnreadableImage(f"a picture of {width} by {height} pixels, or of no size at all")
    aids = [source for source, targets in told.aids if told.primary in targets]
    return ImageHeader(
        form,
        width,
        height,
        any(_is_alpha(one) for aid in aids for one in told.of(aid)),
        frames_hint=frames,
        depth=_depth(own),
        quarter_turned=bool((own.get(b"irot") or b"\0")[0] & 1),
        monochrome=form is ImageFormat.AVIF and _is_monochrome(own),
    )


def _is_monochrome(own: dict[bytes, bytes]) -> bool:
    """Tell whether there is no colour, by the coder's settings, or else by what a grid says."""
    if len(own.get(b"av1C", b"")) > _AV1_DEPTH:
        return bool(own[b"av1C"][_AV1_DEPTH] & _AV1_MONOCHROME)
    return own.get(b"pixi", b"")[4:5] == b"\1"


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4])


def _primary(window: Window, box: Box) -> int:
    wide = window.read(box.start, 1)[0] > 0
    return int.from_bytes(window.read(box.start + 4, 4 if wide else 2))


def _aids(window: Window, box: Box) -> Iterator[tuple[int, list[int]]]:
    """Yield items that say of themselves that they are auxiliary, and to which others."""
    width = 4 if window.read(box.start, 1)[0] else 2
    for reference in _within(window, box.start + 4, box.end):
        if reference.kind != b"auxl":
            continue
        source = int.from_bytes(window.read(reference.start, width))
        count = int.from_bytes(window.read(reference.start + width, 2))
        at = reference.start + width + 2
        if at + count * width > box.end:
            raise UnreadableImage("a reference between items longer than what it is in")
        yield source, _numbers(window.read(at, count * width), width)


def _numbers(data: bytes, width: int) -> list[int]:
    return [int.from_bytes(data[at : at + width]) for at in range(0, len(data), width)]


def _read_properties(window: Window, box: Box, told: _Told) -> None:
    for inner in _within(window, box.start, box.end):
        if inner.kind == b"ipco":
            for one in _within(window, inner.start, inner.end):
                length = min(one.end - one.start, _BEGINNING)
                data = window.read(one.start, length) if one.kind in _READ else b""
                told.properties.append(_Property(one.kind, data))
        if inner.kind == b"ipma":
            told.uses.update(_uses(window, inner))


def _uses(window: Window, box: Box) -> Iterator[tuple[int, list[int]]]:
    head = window.read(box.start, 8)
    item_width, index_width = 4 if head[0] else 2, 2 if head[3] & 1 else 1
    at = box.start + 8
    # The first bit of an index says that the property is essential.
    mask = (1 << (8 * index_width - 1)) - 1
    for _ in range(int.from_bytes(head[4:])):
        item = int.from_bytes(window.read(at, item_width))
        count = window.read(at + item_width, 1)[0]
        at += item_width + 1
        data = window.read(at, count * index_width)
        at += len(data)
        if at > box.end:
            raise UnreadableImage("the properties of items are longer than what they are in")
        yield item, [index & mask for index in _numbers(data, index_width)]


def _is_alpha(one: _Property) -> bool:
    return one.kind == b"auxC" and one.data[4:].split(b"\0")[0] in _ALPHAS


def _cropped(crop: bytes, width: int, height: int) -> tuple[int, int]:
    across, across_of, down, down_of = (_number(crop, at) for at in (0, 4, 8, 12))
    if not across_of or not down_of:
        raise UnreadableImage("a crop by a fraction of nothing")
    return min(width, across // across_of), min(height, down // down_of)


def _depth(own: dict[bytes, bytes]) -> int:
    """Return bits a channel, by the coder's settings, or else by what a grid of parts says."""
    if len(own.get(b"hvcC", b"")) > _HEVC_DEPTH:
        return 8 + (own[b"hvcC"][_HEVC_DEPTH] & 7)
    if len(own.get(b"av1C", b"")) > _AV1_DEPTH:
        return (8, 8, 10, 12)[own[b"av1C"][_AV1_DEPTH] >> 5 & 3]
    depths = own.get(b"pixi", b"")[5:]
    return max(depths, default=8)
