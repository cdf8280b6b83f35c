"""How a picture is cut into tiles."""

from dataclasses import dataclass
from itertools import pairwise


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
    reaches, with both sides a multiple of `multiple`, and, but for that, at most
    `tile + 2 * overlap`. Raises `ValueError` for a size, tile or multiple below 1, or an
    overlap below 0.
    """
    if min(width, height, tile, multiple) < 1 or overlap < 0:
        raise ValueError(
            f"cannot cut {width}x{height} into tiles of {tile}, "
            f"overlap {overlap}, multiple {multiple}"
        )
    columns = _read_and_kept(width, tile, overlap, multiple)
    rows = _read_and_kept(height, tile, overlap, multiple)
    return tuple(
        Tile(
            kept=Box(kept_x.start, kept_y.start, kept_x.stop, kept_y.stop),
            read=Box(read_x.start, read_y.start, read_x.stop, read_y.stop),
        )
        for read_y, kept_y in rows
        for read_x, kept_x in columns
    )


def _read_and_kept(
    length: int, tile: int, overlap: int, multiple: int
) -> list[tuple[range, range]]:
    spans = _spans(length, tile, overlap)
    return [(_stretched(span, length, overlap, multiple), span) for span in spans]


def _spans(length: int, tile: int, overlap: int) -> list[range]:
    """Split `length` evenly: a thin last tile would cost almost as much as a full one."""
    count = _count(length, tile, overlap)
    edges = [index * length // count for index in range(count + 1)]
    return [range(start, stop) for start, stop in pairwise(edges)]


def _count(length: int, tile: int, overlap: int) -> int:
    """Return the fewest spans; the outermost have no overlap where the picture ends."""
    if length <= tile + 2 * overlap:
        return 1
    if -(-length // 2) <= tile + overlap:
        return 2
    return -(-length // tile)


def _stretched(span: range, length: int, overlap: int, multiple: int) -> range:
    start, stop = max(0, span.start - overlap), min(length, span.stop + overlap)
    # Reading more of the picture is better than padding, which the network would see.
    stop = min(length, stop + (start - stop) % multiple)
    start = max(0, start - (start - stop) % multiple)
    return range(start, stop + (start - stop) % multiple)
