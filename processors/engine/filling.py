"""Filling what is marked, region by region, each by the engine that suits it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from processors.engine.fill import Marks, Method, Pixels, fill_by_marching
from processors.engine.plan import Box
from processors.engine.regions import Region, plan_regions
from processors.engine.shown import as_grey, as_rgb
from processors.engine.tiled import Cancelled, Progress, ShouldStop
from processors.failures import ModelUnavailable
from processors.sandbox.sandbox import ChildFailed, Sandbox

EngineName: TypeAlias = Literal["auto", "frequency", "marching", "patches", "learned"]

LearnedFill: TypeAlias = Callable[[Pixels, Marks], Pixels]
"""Takes pixels, uint8 (H, W, 3), and true where there is a hole, bool (H, W); returns pixels."""

_MOST_BY_FREQUENCY = 60_000
_PATCH_CONTEXT = 96
_MOST_BY_PATCHES = 1 << 20
_LEARNED_CONTEXT = 256
NAMES = {
    "frequency": "opencv-fsr-fast",
    "patches": "opencv-shiftmap",
    "marching": "opencv-telea",
    "learned": "learned-fill",
}


@dataclass(slots=True)
class Filled:
    """A picture without holes; `redone` counts the regions that the first engine failed on."""

    pixels: Pixels
    regions: int
    redone: int = 0
    engines: list[str] = field(default_factory=list)

    def note(self, engine: str) -> None:
        """Remember an engine that took part, in the order of their first work."""
        if engine not in self.engines:
            self.engines.append(engine)


@dataclass(frozen=True, slots=True)
class Filling:
    """The process that OpenCV's fillers run in, and the network, where one is supplied."""

    child: Sandbox
    learned: LearnedFill | None = None

    def fill(
        self,
        pixels: Pixels,
        marked: Marks,
        unknown: Marks,
        engine: EngineName = "auto",
        *,
        progress: Progress,
        should_stop: ShouldStop,
    ) -> Filled:
        """Return `pixels` with `marked` filled and every other pixel as it was.

        `unknown` holds `marked` and what else must not be looked at; where it is everything, it
        is a `ValueError`.
        `auto` fills by frequency, deep holes from coarse to fine, and by marching what is over
        60,000 pixels of work; where the chosen engine crashes, is out of time, or finds too
        much to do, marching fills that region. Raises `Cancelled` before the next region, or
        within one, once `should_stop()` is true, and `ModelUnavailable` for `learned` where
        there is no network.
        """
        if engine == "learned" and self.learned is None:
            raise ModelUnavailable("no network that fills holes is installed")
        if unknown.all():
            raise ValueError("there is no pixel to fill from")
        regions = plan_regions(marked)
        filled = Filled(pixels.copy(), len(regions))
        left = unknown.copy()
        for done, region in enumerate(regions):
            if should_stop():
                raise Cancelled
            self._fill(filled, left, region, engine, should_stop)
            progress(done + 1, len(regions))
        return filled

    def _fill(
        self,
        filled: Filled,
        left: Marks,
        region: Region,
        engine: EngineName,
        should_stop: ShouldStop,
    ) -> None:
        """Fill one region in place, and take it out of what is left to fill."""
        box = _with_something_known(left, _around(region, engine, left.shape))
        window = (slice(box.top, box.bottom), slice(box.left, box.right))
        around = np.ascontiguousarray(filled.pixels[window])
        holes = np.ascontiguousarray(left[window])
        chosen = "frequency" if engine == "auto" else engine
        patch = self._by(chosen, around, holes, region.coarseness, should_stop)
        if patch is None:
            chosen, filled.redone = "marching", filled.redone + 1
            patch = fill_by_marching(around, holes)
        filled.note(chosen)
        fill = np.zeros(holes.shape, np.bool_)
        top, begin = region.box.top - box.top, region.box.left - box.left
        fill[top : top + region.box.height, begin : begin + region.box.width] = region.fill
        filled.pixels[window][fill] = patch[fill]
        left[window][fill] = False

    def _by(
        self,
        engine: str,
        pixels: Pixels,
        holes: Marks,
        coarseness: int,
        should_stop: ShouldStop,
    ) -> Pixels | None:
        """Return the window filled, or None where the engine failed or has too much to do."""
        match engine:
            case "learned" if self.learned is not None:
                return _by_network(self.learned, pixels, holes)
            case "patches" if holes.size <= _MOST_BY_PATCHES:
                return self._in_child(Method.PATCHES, pixels, holes, 1, should_stop)
            case "frequency" if np.count_nonzero(holes) <= _MOST_BY_FREQUENCY * coarseness:
                return self._in_child(Method.FREQUENCY, pixels, holes, coarseness, should_stop)
            case "marching":
                return fill_by_marching(pixels, holes)
            case _:
                return None

    def _in_child(
        self,
        method: Method,
        pixels: Pixels,
        holes: Marks,
        coarseness: int,
        should_stop: ShouldStop,
    ) -> Pixels | None:
        height, width, channels = pixels.shape
        try:
            reply = self.child.call(
                {
                    "method": method.value,
                    "height": height,
                    "width": width,
                    "channels": channels,
                    "coarseness": coarseness,
                },
                [pixels.data.cast("B"), holes.view(np.uint8).data.cast("B")],
                should_stop=should_stop,
            )
        except ChildFailed:
            if should_stop():
                raise Cancelled from None
            return None
        if len(reply.buffers) != 1 or len(reply.buffers[0]) != pixels.nbytes:
            return None
        return np.frombuffer(reply.buffers[0], np.uint8).reshape(pixels.shape)


def _around(region: Region, engine: str, shape: tuple[int, ...]) -> Box:
    """Return the region's box, grown for engines that look far."""
    match engine:
        case "patches":
            return _grown(region.box, _PATCH_CONTEXT, shape)
        case "learned":
            return _grown(region.box, _LEARNED_CONTEXT, shape)
        case _:
            return region.box


def _with_something_known(unknown: Marks, box: Box) -> Box:
    """Return `box`, grown until it holds a known pixel: there is one in the picture."""
    while unknown[box.top : box.bottom, box.left : box.right].all():
        box = _grown(box, max(box.width, box.height), unknown.shape)
    return box


def _grown(box: Box, amount: int, shape: tuple[int, ...]) -> Box:
    return Box(
        max(0, box.left - amount),
        max(0, box.top - amount),
        min(shape[1], box.right + amount),
        min(shape[0], box.bottom + amount),
    )


def _by_network(learned: LearnedFill, pixels: Pixels, holes: Marks) -> Pixels:
    """Return the window filled by the network, grey as the grey of what it makes."""
    filled = learned(as_rgb(pixels), holes)
    return as_grey(filled) if pixels.shape[2] == 1 else filled
