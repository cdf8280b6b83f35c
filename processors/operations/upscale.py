"""Enlarging a picture four times with a Real-ESRGAN network."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from processors.engine.colour import hold_colour
from processors.engine.tiled import Engine, Progress, ShouldStop
from processors.images.image import Image
from processors.models.registry import Registry
from processors.operations.result import Report, Restored, Stopwatch, Used
from schemas.operations import UpscaleParameters

NETWORK_NAMES = {
    "photo": "realesrgan-x4plus",
    "anime": "realesrgan-x4plus-anime",
    "fast": "realesr-animevideov3",
}


@dataclass(frozen=True, slots=True)
class Upscale:
    """The operation with what it runs on."""

    registry: Registry
    engine: Engine

    def run(
        self,
        image: Image,
        params: UpscaleParameters,
        *,
        progress: Progress,
        should_stop: ShouldStop,
    ) -> Restored:
        """Return `image` enlarged by `params.factor`, in the colours that it has.

        Grey stays grey. Alpha is enlarged bicubically; under transparent pixels the network
        sees the nearest visible colour, so that hidden colours do not bleed into the edge.
        Raises `Cancelled`, `ModelUnavailable` or `NotFinite`.
        """
        watch = Stopwatch()
        with watch.phase("load"):
            network = self.registry.get(NETWORK_NAMES[params.model])
        scale = network.entry.scale
        colours = _visible(_as_rgb(image.pixels), image.alpha)
        with watch.phase("network"):
            enlarged = self.engine.enlarge(
                network, colours, progress=progress, should_stop=should_stop
            )
        with watch.phase("colour"):
            pixels = hold_colour(enlarged.pixels, colours, scale)
            if image.is_grey:
                pixels = _as_grey(pixels)
            alpha = None if image.alpha is None else _resized(image.alpha, scale)
        return Restored(
            replace(image, pixels=pixels, alpha=alpha),
            Report(
                models=(Used(network.entry.name, network.entry.sha256),),
                input_size=(image.width, image.height),
                output_size=(pixels.shape[1], pixels.shape[0]),
                tiles=enlarged.tiles,
                redone=enlarged.redone,
                device=enlarged.device.name,
                precision=enlarged.device.precision.value,
                phases=tuple(watch.phases),
            ),
        )


def _as_rgb(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


def _as_grey(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    total: npt.NDArray[np.uint16] = pixels.sum(axis=2, dtype=np.uint16, keepdims=True)
    return ((total + 1) // 3).astype(np.uint8)


def _visible(
    pixels: npt.NDArray[np.uint8], alpha: npt.NDArray[np.uint8] | None
) -> npt.NDArray[np.uint8]:
    """Return `pixels` with each fully transparent one replaced by the nearest that is not."""
    if alpha is None or alpha.all() or not alpha.any():
        return pixels
    hidden = (alpha == 0).astype(np.uint8)
    _, nearest = cv2.distanceTransformWithLabels(
        hidden, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colours = np.zeros((int(nearest.max()) + 1, pixels.shape[2]), np.uint8)
    colours[nearest[hidden == 0]] = pixels[hidden == 0]
    visible: npt.NDArray[np.uint8] = colours[nearest]
    return visible


def _resized(alpha: npt.NDArray[np.uint8], scale: int) -> npt.NDArray[np.uint8]:
    height, width = alpha.shape
    size = (width * scale, height * scale)
    resized: npt.NDArray[np.uint8] = cv2.resize(alpha, size, interpolation=cv2.INTER_CUBIC)
    return resized
