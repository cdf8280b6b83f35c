"""Bringing a faded picture's tones back."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from processors.engine.fading import Fading, Revival, measure_fading, revive
from processors.engine.tiled import Cancelled, Progress, ShouldStop
from processors.images.image import Image
from processors.operations.result import Report, Restored, Stopwatch, Used
from schemas.operations import ToneParameters
from schemas.warnings import Warned

_STRIP_PIXELS = 1 << 17


@dataclass(frozen=True, slots=True)
class Tone:
    """The operation; it needs nothing to run on."""

    def run(
        self,
        image: Image,
        params: ToneParameters,
        mask: Image | None,
        *,
        progress: Progress,
        should_stop: ShouldStop,
    ) -> Restored:
        """Return `image` with its levels, white balance and contrast brought back.

        A picture that still has its black or its white is returned byte for byte, with the
        warning `nothing_found`, as is one for which every strength is 0. Grey stays grey; alpha
        and what it hides stay as they are and are not measured. Works in strips, so that a
        picture is never held twice in floating point. `mask` is not looked at. Raises
        `Cancelled`.
        """
        _ = mask
        watch = Stopwatch()
        if should_stop():
            raise Cancelled
        shown = None if image.alpha is None else image.alpha > 0
        with watch.phase("measure"):
            fading = measure_fading(image.pixels, shown)
        revival = Revival(params.levels, params.white_balance, params.contrast)
        asked = max(params.levels, params.white_balance, params.contrast) > 0
        if not asked or not fading.certainty:
            warnings = (Warned.NOTHING_FOUND,) if asked else ()
            return Restored(image, _report(image, watch, 0, warnings))
        with watch.phase("tone"):
            pixels, strips = _revived(
                image.pixels, shown, fading, revival, progress=progress, should_stop=should_stop
            )
        return Restored(replace(image, pixels=pixels), _report(image, watch, strips, ()))


def _revived(
    pixels: npt.NDArray[np.uint8],
    shown: npt.NDArray[np.bool_] | None,
    fading: Fading,
    revival: Revival,
    *,
    progress: Progress,
    should_stop: ShouldStop,
) -> tuple[npt.NDArray[np.uint8], int]:
    """Return the revived pixels, and in how many strips they were made."""
    height, width, _ = pixels.shape
    rows = max(1, _STRIP_PIXELS // width)
    strips = -(-height // rows)
    revived = np.empty_like(pixels)
    for index in range(strips):
        if should_stop():
            raise Cancelled
        part = slice(index * rows, (index + 1) * rows)
        revived[part] = np.rint(revive(pixels[part], fading, revival)).astype(np.uint8)
        if shown is not None:
            revived[part][~shown[part]] = pixels[part][~shown[part]]
        progress(index + 1, strips)
    return revived, strips


def _report(image: Image, watch: Stopwatch, strips: int, warnings: tuple[Warned, ...]) -> Report:
    return Report(
        models=(Used("cielab-tone"),),
        input_size=(image.width, image.height),
        output_size=(image.width, image.height),
        tiles=strips,
        phases=tuple(watch.phases),
        warnings=warnings,
    )
