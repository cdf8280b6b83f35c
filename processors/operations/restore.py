"""Taking noise and the damage of JPEG out of a picture, at its size."""

from dataclasses import dataclass, replace
from typing import Final, Literal

import cv2
import numpy as np
import numpy.typing as npt

from processors.engine.damage import Damage, measure_damage
from processors.engine.shown import as_grey, as_rgb, resampled, visible
from processors.engine.smooth import smoothed
from processors.engine.tiled import Cancelled, Engine, Progress, ShouldStop
from processors.images.image import Image
from processors.models.registry import Registry
from processors.operations.result import Report, Restored, Stopwatch, Used
from processors.operations.steps import step_of
from schemas.operations import RestoreParameters
from schemas.warnings import Warned

Model = Literal["photo", "anime"]
Strength = Literal["auto", 0, 1, 2, 3]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A network, and whether non-local means follow it."""

    network: str
    smooth: bool = False


_STRENGTHS: Final[dict[Model, tuple[str, str, str, str]]] = {
    "photo": (
        "waifu2x-photo-denoise0-x2",
        "waifu2x-cunet-denoise1",
        "waifu2x-cunet-denoise2",
        "waifu2x-photo-denoise3-x2",
    ),
    "anime": (
        "waifu2x-cunet-denoise0",
        "waifu2x-cunet-denoise1",
        "waifu2x-cunet-denoise2",
        "waifu2x-cunet-denoise3",
    ),
}
"""The network of each strength: whichever comes closest to the truth on photographs (see
docs/decisions/0024), and for drawings the one that learned them."""

_STRONGEST: Final = Recipe("waifu2x-cunet-denoise3", smooth=True)
_HEAVY, _STRONG, _LIGHT = 7.5, 3.6, 2.5
_BLOCKS: Final = ((0.35, 2), (0.15, 1), (0.08, 0))
_SMOOTHING: Final = 0.68


def recipe_for(
    model: Model, strength: Literal["auto", 0, 1, 2, 3], damage: Damage
) -> Recipe | None:
    """Return how a picture so damaged is restored; None where it is best left as it is."""
    if damage.noise >= _HEAVY and strength in {"auto", 3}:
        return _STRONGEST
    strengths = _STRENGTHS[model]
    if strength != "auto":
        return Recipe(strengths[strength])
    if damage.noise >= _STRONG:
        return Recipe(strengths[3])
    if damage.noise >= _LIGHT:
        return Recipe(strengths[0])
    for least, level in _BLOCKS:
        if damage.blocks >= least:
            return Recipe(f"waifu2x-cunet-denoise{level}")
    return None


@dataclass(frozen=True, slots=True)
class Restore:
    """The operation with what it runs on."""

    registry: Registry
    engine: Engine

    def run(
        self,
        image: Image,
        params: RestoreParameters,
        mask: Image | None,
        *,
        progress: Progress,
        should_stop: ShouldStop,
    ) -> Restored:
        """Return `image` without noise and without JPEG's damage, in the colours that it has.

        With strength `auto` a picture that has neither is returned as it is, with the warning
        `nothing_found`. Grey stays grey, alpha stays as it is. `mask` is not looked at. Raises
        `Cancelled`, `ModelUnavailable` or `NotFinite`.
        """
        _ = mask
        watch = Stopwatch()
        colours = visible(as_rgb(image.pixels), image.alpha)
        with watch.phase("measure"):
            damage = measure_damage(colours)
        recipe = recipe_for(params.model, params.strength, damage)
        size = (image.width, image.height)
        if recipe is None:
            phases = tuple(watch.phases)
            return Restored(
                image, Report((), size, size, phases=phases, warnings=(Warned.NOTHING_FOUND,))
            )
        steps = 1 + recipe.smooth
        with watch.phase("load"):
            network = self.registry.get(recipe.network)
        with watch.phase("network"):
            cleaned = self.engine.enlarge(
                network, colours, progress=step_of(progress, 0, steps), should_stop=should_stop
            )
            pixels = resampled(cleaned.pixels, *size)
        used = [Used(network.entry.name, network.entry.sha256)]
        if recipe.smooth:
            with watch.phase("smooth"):
                pixels = _smoothed(
                    pixels, damage, progress=step_of(progress, 1, steps), should_stop=should_stop
                )
            used.append(Used("opencv-nl-means"))
        with watch.phase("colour"):
            pixels = _as_bright_as(colours, pixels)
            pixels = as_grey(pixels) if image.is_grey else pixels
        return Restored(
            replace(image, pixels=pixels),
            Report(
                models=tuple(used),
                input_size=size,
                output_size=size,
                tiles=cleaned.tiles,
                redone=cleaned.redone,
                device=cleaned.device.name,
                precision=cleaned.device.precision.value,
                phases=tuple(watch.phases),
            ),
        )


def _smoothed(
    pixels: npt.NDArray[np.uint8], damage: Damage, *, progress: Progress, should_stop: ShouldStop
) -> npt.NDArray[np.uint8]:
    clean = np.empty_like(pixels)
    for rows, strip in smoothed(pixels, _SMOOTHING * damage.noise):
        clean[rows.start : rows.stop] = strip
        progress(rows.stop, pixels.shape[0])
        if should_stop():
            raise Cancelled
    return clean


def _as_bright_as(
    original: npt.NDArray[np.uint8], pixels: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """Shift each channel so that its mean is the original's; slower colours bring noise back."""
    shift = original.mean(axis=(0, 1)) - pixels.mean(axis=(0, 1))
    if np.abs(shift).max() < 0.5:  # noqa: PLR2004 - under which nothing is to be rounded up
        return pixels
    shifted: npt.NDArray[np.uint8] = cv2.add(pixels, (*np.rint(shift).tolist(), 0.0))
    return shifted
