"""How close `restore` brings damaged photographs to what they were.

Beside it stands what a user would pick instead: OpenCV's non-local means, with the strength that
is best for that very picture, which only who has the original can know.
"""

from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from skimage import data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from bench.figures import Figure, show
from processors.images.image import Image
from processors.operations import Restorer
from schemas.operations import ImageFormat, RestoreParameters

Pixels = npt.NDArray[np.uint8]

_PHOTOGRAPHS: Final = ("astronaut", "coffee", "chelsea", "rocket")
_SIDE: Final = 256
_QUALITIES: Final = (10, 20, 40)
_DEVIATIONS: Final = (10, 25)
_STRENGTHS: Final = (1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 18, 20, 24)


def run() -> Iterator[Figure]:
    """Measure; about three minutes on two cores."""
    originals = [_middle(getattr(data, name)()) for name in _PHOTOGRAPHS]
    noise = np.random.default_rng(1)
    with Restorer() as restorer:
        for quality in _QUALITIES:
            pairs = [(_as_jpeg(one, quality), one) for one in originals]
            yield from _figures(f"JPEG quality {quality}", restorer, pairs)
        for deviation in _DEVIATIONS:
            pairs = [(_noisy(one, deviation, noise), one) for one in originals]
            yield from _figures(f"noise of deviation {deviation}", restorer, pairs)


def _figures(
    name: str, restorer: Restorer, pictures: list[tuple[Pixels, Pixels]]
) -> Iterator[Figure]:
    ours, theirs, similar, before = [], [], [], []
    for damaged, original in pictures:
        restored = _restored(restorer, damaged)
        start = peak_signal_noise_ratio(original, damaged)
        ours.append(peak_signal_noise_ratio(original, restored) - start)
        theirs.append(
            max(peak_signal_noise_ratio(original, _by_means(damaged, h)) for h in _STRENGTHS)
            - start
        )
        similar.append(structural_similarity(original, restored, channel_axis=2))
        before.append(structural_similarity(original, damaged, channel_axis=2))
    yield Figure(
        "quality",
        f"restore, {name}: PSNR gained, against non-local means tuned with the original",
        round(float(np.mean(ours)), 2),
        "dB",
        round(float(np.mean(theirs)), 2),
        round(float(np.mean(ours) - np.mean(theirs)), 2),
    )
    yield Figure(
        "quality", f"restore, {name}: the least gained", round(min(ours), 2), "dB", None, None
    )
    yield Figure(
        "quality",
        f"restore, {name}: SSIM, against the damaged picture's",
        round(float(np.mean(similar)), 4),
        "",
        round(float(np.mean(before)), 4),
        round(float(np.mean(similar) / np.mean(before)), 3),
    )


def _middle(pixels: Pixels) -> Pixels:
    top, left = ((side - _SIDE) // 2 for side in pixels.shape[:2])
    return np.ascontiguousarray(pixels[top : top + _SIDE, left : left + _SIDE])


def _as_jpeg(pixels: Pixels, quality: int) -> Pixels:
    _, coded = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(decoded[..., ::-1])


def _noisy(pixels: Pixels, deviation: float, noise: np.random.Generator) -> Pixels:
    levels = pixels + noise.normal(0, deviation, pixels.shape)
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def _by_means(pixels: Pixels, strength: float) -> Pixels:
    colours = np.ascontiguousarray(pixels[..., ::-1])
    cleaned = cv2.fastNlMeansDenoisingColored(colours, None, strength, strength, 7, 21)
    return np.ascontiguousarray(cleaned[..., ::-1])


def _restored(restorer: Restorer, pixels: Pixels) -> Pixels:
    height, width, _ = pixels.shape
    image = Image(pixels, None, None, ImageFormat.PNG, (width, height))
    return restorer.restore(
        RestoreParameters(), image, progress=lambda *_: None, should_stop=lambda: False
    ).image.pixels


def main() -> None:
    """Run this benchmark alone."""
    show(run())


if __name__ == "__main__":
    main()
