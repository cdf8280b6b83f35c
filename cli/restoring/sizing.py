"""A size that results are to have, instead of how many times larger they are to be."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cli.restoring.asked import WronglyAskedError
from schemas.operations import EnhanceParameters, PictureOperation, UpscaleParameters

LARGEST_FACTOR: Final = 8.0


class Side(StrEnum):
    """Which side of a picture is meant, by the name of its option."""

    LONG = "--long-side"
    WIDTH = "--width"
    HEIGHT = "--height"


class LargeEnoughError(Exception):
    """The picture is as large already; says how large."""


class TooSmallError(Exception):
    """The picture would have to become more than `LARGEST_FACTOR` times as large."""


@dataclass(frozen=True, slots=True)
class Size:
    """How many pixels a side is to have."""

    side: Side
    pixels: int

    def parameters_for(
        self, asked: PictureOperation, width: int, height: int
    ) -> UpscaleParameters | EnhanceParameters:
        """Return what was asked for, with the factor that brings a picture to this size.

        A picture that is larger is not made smaller: `enhance` does all else, and of `upscale`
        nothing would be left. Raises `LargeEnoughError` then, and `TooSmallError`.
        """
        now = {Side.LONG: max(width, height), Side.WIDTH: width, Side.HEIGHT: height}[self.side]
        factor = self.pixels / now
        if factor > LARGEST_FACTOR:
            raise TooSmallError(
                f"{width}x{height} would have to become {factor:.1f} times as large for "
                f"{self.side} {self.pixels}; {LARGEST_FACTOR:g} times is the most: "
                f"ask for {round(now * LARGEST_FACTOR)} or less"
            )
        match asked:
            case EnhanceParameters():
                return asked.model_copy(update={"factor": max(1.0, factor)})
            case UpscaleParameters() if factor > 1:
                return asked.model_copy(update={"factor": factor})
            case UpscaleParameters():
                raise LargeEnoughError(f"it is {width}x{height} already")
            case _:
                raise WronglyAskedError(f"{asked.operation} does not enlarge")


def size_of(asked: PictureOperation, sides: dict[Side, int | None]) -> Size | None:
    """Return the size that is asked for, if one is. Raises `WronglyAskedError`."""
    given = {side: pixels for side, pixels in sides.items() if pixels is not None}
    if not given:
        return None
    # By whatever option it came.
    scaled = "factor" in asked.model_fields_set
    if len(given) > 1 or scaled:
        names = [*given, *(["--scale (factor)"] if scaled else [])]
        raise WronglyAskedError(f"{' and '.join(names)} cannot both hold; give one of them")
    ((side, pixels),) = given.items()
    if not isinstance(asked, UpscaleParameters | EnhanceParameters):
        raise WronglyAskedError(f"{side} is for upscale and enhance, not for {asked.operation}")
    return Size(side, pixels)
