"""Enlarging a picture with a network, and the rest of the way by resampling."""

from dataclasses import dataclass, replace
from math import prod
from typing import Final

from processors.engine.colour import hold_colour
from processors.engine.shown import as_grey, as_rgb, resampled, visible
from processors.engine.tiled import Engine, Progress, ShouldStop
from processors.images.image import Image
from processors.models.registry import LoadedNetwork, Registry
from processors.operations.result import Report, Restored, Stopwatch, Used
from processors.operations.steps import step_of
from schemas.operations import UpscaleParameters

_VIDEO: Final = "realesr-animevideov3"
_PHOTO, _DRAWING = "waifu2x-photo-x2", "waifu2x-anime-x2"

CHAINS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "photo": (("realesrgan-x4plus",),),
    "anime": (("realesrgan-x4plus-anime",),),
    "fast": ((f"{_VIDEO}-x2",), (f"{_VIDEO}-x3",), (_VIDEO,)),
    "photo-light": ((_PHOTO,), (_PHOTO, _PHOTO)),
    "anime-light": ((_DRAWING,), (_DRAWING, _DRAWING)),
}
"""The networks of a model, one after another, from the smallest enlargement to the largest."""


@dataclass(frozen=True, slots=True)
class Upscale:
    """The operation with what it runs on."""

    registry: Registry
    engine: Engine

    def run(
        self,
        image: Image,
        params: UpscaleParameters,
        mask: Image | None,
        *,
        progress: Progress,
        should_stop: ShouldStop,
    ) -> Restored:
        """Return `image` enlarged by `params.factor`, in the colours that it has.

        Its networks enlarge it at least so far, or as far as they can, and resampling brings it
        to the size asked for, rounded to pixels. Grey stays grey. Alpha is enlarged bicubically;
        under transparent pixels the networks see the nearest visible colour, so that hidden
        colours do not bleed into the edge. `mask` is not looked at. Raises `Cancelled`,
        `ModelUnavailable` or `NotFinite`.
        """
        _ = mask
        watch = Stopwatch()
        with watch.phase("load"):
            chain = self._chain(params)
        colours = visible(as_rgb(image.pixels), image.alpha)
        pixels, tiles, redone = colours, 0, 0
        with watch.phase("network"):
            for number, network in enumerate(chain):
                enlarged = self.engine.enlarge(
                    network,
                    pixels,
                    progress=step_of(progress, number, len(chain)),
                    should_stop=should_stop,
                )
                pixels = enlarged.pixels
                tiles += enlarged.tiles
                redone += enlarged.redone
        with watch.phase("colour"):
            pixels = hold_colour(pixels, colours, prod(network.entry.scale for network in chain))
            pixels = as_grey(pixels) if image.is_grey else pixels
        width, height = (
            max(1, round(side * params.factor)) for side in (image.width, image.height)
        )
        with watch.phase("resample"):
            pixels = resampled(pixels, width, height)
            alpha = None if image.alpha is None else resampled(image.alpha, width, height)
        return Restored(
            replace(image, pixels=pixels, alpha=alpha),
            Report(
                models=tuple(Used(network.entry.name, network.entry.sha256) for network in chain),
                input_size=(image.width, image.height),
                output_size=(width, height),
                tiles=tiles,
                redone=redone,
                device=enlarged.device.name,
                precision=enlarged.device.precision.value,
                phases=tuple(watch.phases),
            ),
        )

    def _chain(self, params: UpscaleParameters) -> list[LoadedNetwork]:
        for names in CHAINS[params.model]:
            chain = [self.registry.get(name) for name in names]
            if prod(network.entry.scale for network in chain) >= params.factor:
                break
        return chain
