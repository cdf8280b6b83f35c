"""Filling a marked region of a picture from its surroundings."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from processors.engine.fill import fill_by_marching
from processors.engine.regions import Region, plan_regions
from processors.engine.tiled import Cancelled, Progress, ShouldStop
from processors.failures import ProcessingFailure
from processors.images.image import Image
from processors.operations.result import Report, Restored, Stopwatch, Used
from processors.sandbox.sandbox import ChildFailed, Sandbox
from schemas.errors import ErrorCode
from schemas.operations import InpaintParameters

_WHITE = 128
_OPAQUE = 255
_LUMA = np.array([299, 587, 114], np.uint32)
_LARGEST_BY_FREQUENCY = 150_000


class MaskRefused(ProcessingFailure):
    """The mask marks nothing that could be filled."""


class MaskSizeMismatch(MaskRefused):
    """The mask is of another size than the picture."""

    code: ClassVar[ErrorCode] = ErrorCode.MASK_SIZE_MISMATCH


class AlphaMissing(MaskRefused):
    """The picture's alpha should mark the region, and there is none or nothing in it."""

    code: ClassVar[ErrorCode] = ErrorCode.ALPHA_MISSING


@dataclass(frozen=True, slots=True)
class Inpaint:
    """The operation with the process that it fills in."""

    filler: Sandbox

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

        With `params.mask` "file", `mask` marks what to fill with 128 and above, and alpha stays
        as it is; with "alpha", what is fully transparent is filled and becomes opaque. A part
        that crashes the first algorithm, or is over 150,000 pixels, is filled by Telea's.
        Raises `Cancelled` or a kind of `MaskRefused`.
        """
        watch = Stopwatch()
        with watch.phase("mask"):
            marked = marked_region(image, params, mask)
            unknown = marked | hidden(image)
            if unknown.all():
                raise MaskRefused("the mask covers all that is visible: nothing to fill from")
            regions = plan_regions(marked)
        pixels = image.pixels.copy()
        redone = 0
        with watch.phase("fill"):
            for done, region in enumerate(regions):
                if should_stop():
                    raise Cancelled
                redone += self._fill(pixels, unknown, region, should_stop)
                progress(done + 1, len(regions))
        return Restored(
            replace(image, pixels=pixels, alpha=_alpha_after(image, params, marked)),
            Report(
                models=(Used("opencv-fsr-fast"),),
                input_size=(image.width, image.height),
                output_size=(image.width, image.height),
                tiles=len(regions),
                redone=redone,
                phases=tuple(watch.phases),
            ),
        )

    def _fill(
        self,
        pixels: npt.NDArray[np.uint8],
        unknown: npt.NDArray[np.bool_],
        region: Region,
        should_stop: ShouldStop,
    ) -> bool:
        """Fill one region in place; tell whether the second algorithm was needed."""
        box = region.box
        window = (slice(box.top, box.bottom), slice(box.left, box.right))
        around, holes = np.ascontiguousarray(pixels[window]), unknown[window]
        filled = self._by_frequency(around, holes, should_stop)
        second = filled is None
        if filled is None:
            filled = fill_by_marching(around, holes)
        pixels[window][region.fill] = filled[region.fill]
        return second

    def _by_frequency(
        self,
        pixels: npt.NDArray[np.uint8],
        unknown: npt.NDArray[np.bool_],
        should_stop: ShouldStop,
    ) -> npt.NDArray[np.uint8] | None:
        if np.count_nonzero(unknown) > _LARGEST_BY_FREQUENCY:
            return None
        height, width, channels = pixels.shape
        try:
            reply = self.filler.call(
                {"height": height, "width": width, "channels": channels},
                [
                    pixels.data.cast("B"),
                    np.ascontiguousarray(unknown, np.uint8).data.cast("B"),
                ],
                should_stop=should_stop,
            )
        except ChildFailed:
            if should_stop():
                raise Cancelled from None
            return None
        if len(reply.buffers) != 1 or len(reply.buffers[0]) != pixels.nbytes:
            return None
        return np.frombuffer(reply.buffers[0], np.uint8).reshape(pixels.shape)


def marked_region(
    image: Image, params: InpaintParameters, mask: Image | None
) -> npt.NDArray[np.bool_]:
    """Return which pixels to fill, bool (H, W). Raises a kind of `MaskRefused`."""
    if params.mask == "alpha":
        marked = hidden(image)
        if not marked.any():
            raise AlphaMissing("no pixel of the picture is fully transparent")
        return marked
    if mask is None:
        raise MaskRefused("there is no mask picture")
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
    if image.alpha is None or params.mask == "file":
        return image.alpha
    alpha = np.where(marked, np.uint8(_OPAQUE), image.alpha)
    return None if (alpha == _OPAQUE).all() else alpha
