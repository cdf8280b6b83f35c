"""In bf16 the networks give what they give in fp32, to the eye."""

import numpy as np
import numpy.typing as npt
import pytest
from skimage import data

from processors.engine.device import CPU, Device
from processors.engine.tiled import Engine
from processors.models.manifest import Precision
from processors.models.registry import Registry

# One network of each architecture; that with the most layers is the least exact.
NAMES = [
    "realesrgan-x4plus",
    "realesr-animevideov3",
    "waifu2x-photo-x2",
    "waifu2x-cunet-denoise0",
]
GRADIENT = np.ascontiguousarray(
    np.linspace((150, 90, 40), (200, 160, 60), 64)
    .round()
    .astype(np.uint8)[np.newaxis]
    .repeat(32, 0)
)
PHOTOGRAPH = np.ascontiguousarray(data.astronaut()[20:68, 150:198])


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry()


def enlarged(
    registry: Registry, name: str, precision: Precision, pixels: npt.NDArray[np.uint8]
) -> npt.NDArray[np.float64]:
    engine = CPU if precision is Precision.FP32 else Device("cpu", precision)
    return (
        Engine(engine)
        .enlarge(registry.get(name), pixels, progress=lambda *_: None, should_stop=lambda: False)
        .pixels.astype(np.float64)
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_photograph_in_bf16_equals_that_in_fp32(registry: Registry, name: str) -> None:
    half = enlarged(registry, name, Precision.BF16, PHOTOGRAPH)
    full = enlarged(registry, name, Precision.FP32, PHOTOGRAPH)

    assert 10 * np.log10(255**2 / np.mean((half - full) ** 2)) >= 50
    assert np.abs(half.mean(axis=(0, 1)) - full.mean(axis=(0, 1))).max() < 0.5


@pytest.mark.parametrize("name", NAMES)
def test_a_gentle_gradient_in_bf16_shows_no_bands(registry: Registry, name: str) -> None:
    half = enlarged(registry, name, Precision.BF16, GRADIENT)
    full = enlarged(registry, name, Precision.FP32, GRADIENT)

    # The columns of a band would all err to one side.
    bands = (half - full).mean(axis=0).reshape(-1, 8, 3).mean(axis=1)
    assert np.abs(bands).max() < 1.5
    assert unevenness(half) < 1.15 * unevenness(full) + 0.1


def unevenness(pixels: npt.NDArray[np.float64]) -> float:
    return float(np.abs(np.diff(pixels, 2, axis=1)).mean())
