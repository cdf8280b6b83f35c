"""What a network has to know of a whole picture before it sees any tile of it."""

from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from torch import Tensor

Survey = tuple[Tensor, ...]
"""What a network found in samples of a picture; its `forward` takes it as `survey`."""

_SIDE = 128
_ACROSS = 3

_LOOKED_AT_WHOLE = 640 * 640
"""Pixels up to which a picture is its own sample: with their margins, the squares that would be
taken of it are not much less, and what goes through a network at once needs no survey."""


@runtime_checkable
class Surveys(Protocol):
    """A network whose result depends on the whole picture, by a survey of samples.

    Its `forward` takes the survey as a second argument; without one, what it is given is the
    whole picture.
    """

    margin: int
    multiple: int

    def survey(self, samples: Tensor) -> Survey:
        """Return what holds for the whole picture, from its samples, RGB in 0..1."""


def samples_of(
    pixels: npt.NDArray[np.uint8], *, margin: int, multiple: int
) -> npt.NDArray[np.uint8]:
    """Return squares spread evenly over `pixels`, (H, W, C): (N, side, side, C).

    Around each lies a margin of `margin` pixels, past the picture's edges what they end with. A
    picture with no more pixels than all the squares is returned whole with such a margin, and
    more of it at the right and bottom to fill up `multiple`.
    """
    height, width, _ = pixels.shape
    if is_its_own_sample(height, width):
        sizes = (height + -height % multiple, width + -width % multiple)
        return _square(pixels, (0, 0), sizes, margin)[np.newaxis]
    sides = (min(_SIDE, height), min(_SIDE, width))
    sides = (sides[0] + -sides[0] % multiple, sides[1] + -sides[1] % multiple)
    places = [(top, left) for top in _starts(height) for left in _starts(width)]
    return np.stack([_square(pixels, place, sides, margin) for place in places])


def is_its_own_sample(height: int, width: int) -> bool:
    """Tell whether a picture of that size is looked at whole."""
    return height * width <= _LOOKED_AT_WHOLE


def _starts(length: int) -> list[int]:
    room = max(0, length - _SIDE)
    count = min(_ACROSS, -(-length // _SIDE))
    return [room * index // max(1, count - 1) for index in range(count)]


def _square(
    pixels: npt.NDArray[np.uint8], place: tuple[int, int], size: tuple[int, int], margin: int
) -> npt.NDArray[np.uint8]:
    rows, columns = (
        np.clip(np.arange(start - margin, start + side + margin), 0, length - 1)
        for start, side, length in zip(place, size, pixels.shape, strict=False)
    )
    return pixels[rows[:, np.newaxis], columns]
