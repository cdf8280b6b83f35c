"""Filling a marked region of a picture from its surroundings."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from processors.engine.fill import Marks, Pixels
from processors.engine.filling import NAMES, Filled, Filling, LearnedFill
from processors.engine.shapes import covered
from processors.engine.tiled import Cancelled, Progress, ShouldStop
from processors.failures import ProcessingFailure
from processors.images.image import Image
from processors.models.beat import Beat
from processors.operations.result import Report, Restored, Stopwatch, Used
from processors.sandbox.sandbox import Sandbox
from schemas.errors import ErrorCode
from schemas.operations import InpaintParameters
from schemas.warnings import Warned

LongFill: TypeAlias = Callable[[Pixels, Marks, Beat], Pixels]
"""A `LearnedFill` that is told how to hear whether it is to stop."""

_WHITE = 128
_OPAQUE = 255
_LUMA = np.array([299, 587, 114], np.uint32)


class MaskRefused(ProcessingFailure):
    """The mask marks nothing that could be filled."""


class MaskSizeMismatch(MaskRefused):
    """The mask is of another size than the picture."""

    code: ClassVar[ErrorCode] = ErrorCode.MASK_SIZE_MISMATCH


class MaskMissing(MaskRefused):
    """A second picture should mark the region, and none was given."""

    code: ClassVar[ErrorCode] = ErrorCode.MASK_MISSING


class AlphaMissing(MaskRefused):
    """The picture's alpha should mark the region, and there is none or nothing in it."""

    code: ClassVar[ErrorCode] = ErrorCode.ALPHA_MISSING


@dataclass(frozen=True, slots=True)
class Inpaint:
    """The operation with the process that it fills in, and the network where one is supplied."""

    filler: Sandbox
    learned: LongFill | None = None
    learned_by: Used = Used(NAMES["learned"])  # noqa: RUF009 - frozen

    def run(
        self,
        image: Image,
        params: InpaintParameters,
        mask: Image | None,
        *,
        progress: Progress,
        should_stop: ShouldStop,
    ) -> Restored:
        """Return `image` with the marked region filled and every other pixel as it was.

        With `params.mask` "file", `mask` marks what to fill with 128 and above; with "shapes",
        `params.shapes` do; either way alpha stays as it is. With "alpha", what is fully
        transparent is filled and becomes opaque. Hidden pixels are never filled from. A region
        that the engine fails on is filled by Telea's method, with the warning
        `engine_unsuited` where the engine was asked for by name. Raises `Cancelled`,
        `ModelUnavailable` or a kind of `MaskRefused`.
        """
        watch = Stopwatch()
        with watch.phase("mask"):
            marked = marked_region(image, params, mask)
            unknown = marked | hidden(image)
            if unknown.all():
                raise MaskRefused("the mask covers all that is visible: nothing to fill from")
        with watch.phase("fill"):
            learned = self.learned and _stopping(self.learned, should_stop)
            filled = Filling(self.filler, learned).fill(
                image.pixels,
                marked,
                unknown,
                params.engine,
                progress=progress,
                should_stop=should_stop,
            )
        alpha = _alpha_after(image, params, marked)
        return Restored(
            replace(image, pixels=filled.pixels, alpha=alpha),
            Report(
                models=tuple(
                    self.learned_by if engine == "learned" else Used(NAMES[engine])
                    for engine in filled.engines
                ),
                input_size=(image.width, image.height),
                output_size=(image.width, image.height),
                tiles=filled.regions,
                redone=filled.redone,
                phases=tuple(watch.phases),
                warnings=_warnings(params, marked, filled),
            ),
        )


def _stopping(fill: LongFill, should_stop: ShouldStop) -> LearnedFill:
    def beat() -> None:
        if should_stop():
            raise Cancelled

    return lambda pixels, holes: fill(pixels, holes, beat)


def _warnings(
    params: InpaintParameters, marked: npt.NDArray[np.bool_], filled: Filled
) -> tuple[Warned, ...]:
    if not marked.any():
        return (Warned.NOTHING_FOUND,)
    if filled.redone and params.engine != "auto":
        return (Warned.ENGINE_UNSUITED,)
    return (Warned.TILES_REDONE,) if filled.redone else ()


def marked_region(
    image: Image, params: InpaintParameters, mask: Image | None
) -> npt.NDArray[np.bool_]:
    """Return which pixels to fill, bool (H, W). Raises a kind of `MaskRefused`."""
    if params.mask == "alpha":
        marked = hidden(image)
        if not marked.any():
            raise AlphaMissing("no pixel of the picture is fully transparent")
        return marked
    if params.mask == "shapes":
        marked = covered(params.shapes, image.width, image.height)
        if not marked.any():
            raise MaskRefused(
                f"the {len(params.shapes)} shapes cover no pixel of a picture of "
                f"{image.width}x{image.height}"
            )
        return marked
    if mask is None:
        raise MaskMissing(
            "no mask was given: give a picture that is white where to fill, or ask for mask "
            "`alpha` or `shapes`"
        )
    if (mask.width, mask.height) != (image.width, image.height):
        raise MaskSizeMismatch(
            f"the mask is {mask.width}x{mask.height}, "
            f"the picture {image.width}x{image.height}; both must be equal"
        )
    white = _luma(mask.pixels) >= _WHITE
    return white if mask.alpha is None else white & (mask.alpha >= _WHITE)


def hidden(image: Image) -> npt.NDArray[np.bool_]:
    """Return which pixels are fully transparent, bool (H, W)."""
    if image.alpha is None:
        return np.zeros((image.height, image.width), np.bool_)
    return np.equal(image.alpha, 0)


def _luma(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    if pixels.shape[2] == 1:
        return pixels[..., 0].astype(np.uint32)
    return (pixels.astype(np.uint32) @ _LUMA) // 1000


def _alpha_after(
    image: Image, params: InpaintParameters, marked: npt.NDArray[np.bool_]
) -> npt.NDArray[np.uint8] | None:
    if image.alpha is None or params.mask != "alpha":
        return image.alpha
    alpha = np.where(marked, np.uint8(_OPAQUE), image.alpha)
    return None if (alpha == _OPAQUE).all() else alpha
