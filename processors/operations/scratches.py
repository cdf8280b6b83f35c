"""Finding scratches, dust and folds in a photograph, and filling them."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from processors.engine.filling import NAMES, Filled, Filling
from processors.engine.scratch_mask import find_damage
from processors.engine.tiled import Progress, ShouldStop
from processors.images.image import Image
from processors.operations.result import Report, Restored, Stopwatch, Used
from processors.operations.steps import step_of
from processors.sandbox.sandbox import Sandbox
from schemas.operations import ScratchesParameters
from schemas.warnings import Warned

_DETECTOR = "scratch-detector"


@dataclass(frozen=True, slots=True)
class Scratches:
    """The operation with the process that it fills in."""

    filler: Sandbox

    def run(
        self,
        image: Image,
        params: ScratchesParameters,
        mask: Image | None,
        *,
        progress: Progress,
        should_stop: ShouldStop,
    ) -> Restored:
        """Return `image` with what looks like damage filled, and every other pixel as it was.

        With `params.result` "mask", a grey picture of the same size without alpha, white where
        damage was found. Where nothing was found the picture is returned byte for byte, with the
        warning `nothing_found`. Alpha stays as it is; what it hides is neither searched nor
        filled from. `mask` is not looked at. Searching is half of the progress, filling the
        other. Raises `Cancelled`.
        """
        _ = mask
        watch = Stopwatch()
        shown = None if image.alpha is None else image.alpha > 0
        with watch.phase("detect"):
            found = find_damage(
                image.pixels,
                shown,
                params.sensitivity,
                progress=step_of(progress, 0, 2),
                should_stop=should_stop,
            )
        unknown = found if shown is None else found | ~shown
        if unknown.all():
            # No pixel is left to fill from: what is shown is a drawing of lines, not damage.
            found = np.zeros_like(found)
        warnings = () if found.any() else (Warned.NOTHING_FOUND,)
        if params.result == "mask":
            drawn = _as_picture(image, found)
            return Restored(drawn, _report(image, watch, Filled(drawn.pixels, 0), warnings))
        if not found.any():
            return Restored(image, _report(image, watch, Filled(image.pixels, 0), warnings))
        with watch.phase("fill"):
            filled = Filling(self.filler).fill(
                image.pixels,
                found,
                unknown,
                progress=step_of(progress, 1, 2),
                should_stop=should_stop,
            )
        if filled.redone:
            warnings = (Warned.TILES_REDONE,)
        return Restored(
            replace(image, pixels=filled.pixels), _report(image, watch, filled, warnings)
        )


def _as_picture(image: Image, found: npt.NDArray[np.bool_]) -> Image:
    white = np.where(found, np.uint8(255), np.uint8(0))[..., np.newaxis]
    # A profile is one of colours, and a mask has none.
    return replace(image, pixels=white, alpha=None, icc=None)


def _report(image: Image, watch: Stopwatch, filled: Filled, warnings: tuple[Warned, ...]) -> Report:
    size = (image.width, image.height)
    return Report(
        models=(Used(_DETECTOR), *(Used(NAMES[engine]) for engine in filled.engines)),
        input_size=size,
        output_size=size,
        tiles=filled.regions,
        redone=filled.redone,
        phases=tuple(watch.phases),
        warnings=warnings,
    )
