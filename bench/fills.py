"""What filling and tone are worth: holes in photographs, and prints that were faded.

Holes of three kinds (`bench.hole_masks`) in the middle 256 x 256 pixels of twelve photographs;
each engine's PSNR and SSIM where the holes are, held against Telea's. Prints faded to 0.3, 0.5
and 0.7 of their contrast, on yellowed paper: how much closer `tone` brings them.
"""

import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
from skimage.metrics import structural_similarity

from bench import scratches
from bench.figures import Figure, show
from bench.hole_masks import KINDS
from bench.pictures import PHOTOGRAPHS, photograph
from processors.engine.fading import Revival, measure_fading, revive
from processors.engine.filling import EngineName, Filling
from processors.sandbox.sandbox import Sandbox

_SIDE = 256
_ENGINES: Final[tuple[EngineName, ...]] = ("marching", "auto", "patches")
_CONTRASTS = (0.3, 0.5, 0.7)
_PAPER = np.array([1, 0.96, 0.78], np.float32)
_FADES_TO = 150


def run() -> Iterator[Figure]:
    """Measure filling, tone, then the scratch detector; some five minutes on two cores."""
    yield from holes()
    yield from prints()
    yield from scratches.run()


def holes() -> Iterator[Figure]:
    """Yield the mean PSNR and SSIM of each engine for each kind of hole, and its time."""
    with Sandbox("processors.engine.fill_child") as child:
        filling = Filling(child)
        for kind in KINDS:
            totals = _filled(filling, kind)
            for engine in _ENGINES:
                case = f"{engine}, {kind}, against Telea"
                names = (("PSNR", "dB"), ("SSIM", "of 1"), ("time", "ms/1,000 px"))
                for (name, unit), value, telea in zip(
                    names, totals[engine], totals["marching"], strict=True
                ):
                    yield Figure(
                        "inpaint",
                        f"{case}: {name}",
                        round(value, 4),
                        unit,
                        round(telea, 4),
                        round(value / telea, 3),
                    )


def prints() -> Iterator[Figure]:
    """Yield by how much tone brings faded prints closer, and what it does to good ones."""
    revival = Revival(1, 1, 0.5)
    for contrast in _CONTRASTS:
        before, after = [], []
        for name in PHOTOGRAPHS:
            truth = photograph(name)
            faded = fade(truth, contrast)
            revived = revive(faded, measure_fading(faded, None), revival)
            before.append(_psnr(faded, truth))
            after.append(_psnr(np.rint(revived), truth))
        case = f"prints of {contrast} contrast, twelve photographs, against the faded ones"
        yield Figure(
            "tone",
            case,
            round(float(np.mean(after)), 2),
            "dB",
            round(float(np.mean(before)), 2),
            round(float(np.mean(after) / np.mean(before)), 2),
        )
        closer = sum(new > old for new, old in zip(after, before, strict=True))
        yield Figure("tone", f"{case}: brought closer", closer, "of 12")


def fade(pixels: npt.NDArray[np.uint8], contrast: float) -> npt.NDArray[np.uint8]:
    """Return a print with that part of its contrast left, on yellowed paper."""
    paper = _PAPER if pixels.shape[2] > 1 else _PAPER[:1]
    values = (pixels * np.float32(contrast) + np.float32((1 - contrast) * _FADES_TO)) * paper
    faded: npt.NDArray[np.uint8] = np.rint(values).astype(np.uint8)
    return faded


def _filled(filling: Filling, kind: str) -> dict[str, tuple[float, float, float]]:
    sums: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for seed, name in enumerate(PHOTOGRAPHS):
        truth = _middle(photograph(name))
        marked = KINDS[kind](truth.shape[:2], np.random.default_rng(seed * 7 + len(kind)))
        damaged = np.where(marked[..., np.newaxis], np.uint8(255), truth)
        for engine in _ENGINES:
            start = time.perf_counter()
            filled = filling.fill(
                damaged,
                marked,
                marked,
                engine,
                progress=lambda _done, _total: None,
                should_stop=lambda: False,
            )
            spent = (time.perf_counter() - start) * 1e6 / marked.sum()
            _, similar = structural_similarity(truth, filled.pixels, channel_axis=2, full=True)
            close = _psnr(filled.pixels[marked], truth[marked])
            sums[engine].append((close, float(similar[marked].mean()), float(spent)))
    return {
        engine: (
            float(np.mean([value[0] for value in values])),
            float(np.mean([value[1] for value in values])),
            float(np.mean([value[2] for value in values])),
        )
        for engine, values in sums.items()
    }


def _middle(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    top, left = ((side - _SIDE) // 2 for side in pixels.shape[:2])
    return np.ascontiguousarray(pixels[top : top + _SIDE, left : left + _SIDE])


def _psnr(one: npt.NDArray[np.generic], other: npt.NDArray[np.generic]) -> float:
    error = np.mean((one.astype(np.float64) - other.astype(np.float64)) ** 2)
    return float(10 * np.log10(255**2 / error))


if __name__ == "__main__":
    show(run())
