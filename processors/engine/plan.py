"""How a picture is cut into tiles."""

from dataclasses import dataclass
from itertools import count, pairwise
from typing import Final

_SMALLEST: Final = 16
"""The side of a kept box below which nothing is cut any further."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of pixels; `right` and `bottom` lie outside it."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return self.bottom - self.top

    @property
    def area(self) -> int:
        """Pixels in all."""
        return self.width * self.height


@dataclass(frozen=True, slots=True)
class Tile:
    """One step of the work: read `read`, keep of the result what belongs to `kept`.

    `kept` lies inside `read` and inside the picture. `read` reaches past the picture's right or
    bottom edge only to fill up a multiple; what lies there is padding.
    """

    kept: Box
    read: Box


def plan_tiles(
    width: int, height: int, *, tile: int, overlap: int, multiple: int = 1
) -> tuple[Tile, ...]:
    """Cut a picture of `width` x `height` pixels into tiles, row by row.

    The kept boxes cover every pixel exactly once, their sides within one pixel of each other.
    Every read box holds its kept box and `overlap` pixels around it as far as the picture
    reaches, begins at a multiple of `multiple` with both sides one, and, but for that, has at
    most `tile + 2 * overlap`. Raises `ValueError` for a size, tile or multiple below 1, or an
    overlap below 0.
    """
    _check(width, height, tile, overlap, multiple)
    return _crossed(
        _read_and_kept(width, _count(width, tile, overlap), overlap, multiple),
        _read_and_kept(height, _count(height, tile, overlap), overlap, multiple),
    )


def plan_within(
    width: int, height: int, *, area: int, overlap: int, multiple: int = 1
) -> tuple[Tile, ...]:
    """Cut a picture into the tiles that read the fewest pixels in all, each at most `area`.

    They are as `plan_tiles` says, but of whatever shape costs least: a long strip is cut along
    its length alone. Where `area` cannot hold the overlap around 16 x 16 kept pixels, tiles are
    of that size all the same. Raises `ValueError` as `plan_tiles` does.
    """
    _check(width, height, area, overlap, multiple)
    area = max(area, (_SMALLEST + 2 * (overlap + multiple)) ** 2)
    best: tuple[int, _Spans, _Spans] | None = None
    for columns in count(1):
        across = _read_and_kept(width, columns, overlap, multiple)
        # More columns read more pixels, whatever the rows.
        if best and _length(across) * height >= best[0]:
            break
        down = _fewest(height, area // max(len(read) for read, _ in across), overlap, multiple)
        if down is not None:
            cost = _length(across) * _length(down)
            best = min(best or (cost, across, down), (cost, across, down), key=lambda each: each[0])
        if columns >= width:
            break
    if best is None:
        raise ValueError(f"no tile of {area} pixels holds the overlap {overlap}")
    return _crossed(*best[1:])


def halved(step: Tile, width: int, height: int, *, overlap: int, multiple: int = 1) -> list[Tile]:
    """Return two tiles that keep between them what `step` keeps, cut across its longer side.

    Empty when that side is under 32 pixels: there is nothing to be won any more.
    """
    kept = step.kept
    if max(kept.width, kept.height) < 2 * _SMALLEST:
        return []
    if kept.width >= kept.height:
        middle = (kept.left + kept.right) // 2
        columns, rows = [range(kept.left, middle), range(middle, kept.right)], [_down(kept)]
    else:
        middle = (kept.top + kept.bottom) // 2
        columns, rows = [_across(kept)], [range(kept.top, middle), range(middle, kept.bottom)]
    return list(
        _crossed(
            [(_stretched(span, width, overlap, multiple), span) for span in columns],
            [(_stretched(span, height, overlap, multiple), span) for span in rows],
        )
    )


_Spans = list[tuple[range, range]]
"""Of each tile in one direction, what is read and what is kept."""


def _check(width: int, height: int, tile: int, overlap: int, multiple: int) -> None:
    if min(width, height, tile, multiple) < 1 or overlap < 0:
        raise ValueError(
            f"cannot cut {width}x{height} into tiles of {tile}, "
            f"overlap {overlap}, multiple {multiple}"
        )


def _across(box: Box) -> range:
    return range(box.left, box.right)


def _down(box: Box) -> range:
    return range(box.top, box.bottom)


def _length(spans: _Spans) -> int:
    return sum(len(read) for read, _ in spans)


def _fewest(length: int, limit: int, overlap: int, multiple: int) -> _Spans | None:
    """Return the fewest spans that read at most `limit` each; None where none are so short."""
    # Fewer than these could not cover the length even without any overlap.
    for spans in range(max(1, -(-length // max(1, limit))), length + 1):
        cut = _read_and_kept(length, spans, overlap, multiple)
        if max(len(read) for read, _ in cut) <= limit:
            return cut
        if length // spans < _SMALLEST:
            return None
    return None


def _crossed(columns: _Spans, rows: _Spans) -> tuple[Tile, ...]:
    return tuple(
        Tile(
            kept=Box(kept_x.start, kept_y.start, kept_x.stop, kept_y.stop),
            read=Box(read_x.start, read_y.start, read_x.stop, read_y.stop),
        )
        for read_y, kept_y in rows
        for read_x, kept_x in columns
    )


def _read_and_kept(length: int, spans: int, overlap: int, multiple: int) -> _Spans:
    """Split `length` evenly: a thin last tile would cost almost as much as a full one."""
    edges = [index * length // spans for index in range(spans + 1)]
    return [
        (_stretched(range(start, stop), length, overlap, multiple), range(start, stop))
        for start, stop in pairwise(edges)
    ]


def _count(length: int, tile: int, overlap: int) -> int:
    """Return the fewest spans; the outermost have no overlap where the picture ends."""
    if length <= tile + 2 * overlap:
        return 1
    if -(-length // 2) <= tile + overlap:
        return 2
    return -(-length // tile)


def _stretched(span: range, length: int, overlap: int, multiple: int) -> range:
    start, stop = max(0, span.start - overlap), min(length, span.stop + overlap)
    # Reading more of the picture is better than padding, which the network would see; and where
    # a network halves its input, every tile has to be halved at the same pixels.
    start -= start % multiple
    return range(start, stop + (start - stop) % multiple)
