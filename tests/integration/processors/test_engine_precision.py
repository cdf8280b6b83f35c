"""As the engine runs them, in bf16 too, networks give what torch gives in fp32, to the eye."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from skimage import data

from processors.engine.device import REFERENCE, choose_device
from processors.engine.tiled import Engine
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


@pytest.fixture(scope="module")
def engines() -> dict[str, Engine]:
    devices = {"reference": REFERENCE, "bf16": choose_device("bf16"), "fp32": choose_device("fp32")}
    return {name: Engine(device) for name, device in devices.items()}


Run = Callable[[str, str, npt.NDArray[np.uint8]], npt.NDArray[np.float64]]


@pytest.fixture(scope="module")
def enlarged(registry: Registry, engines: dict[str, Engine]) -> Run:
    def run(by: str, name: str, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        return (
            engines[by]
            .enlarge(
                registry.get(name), pixels, progress=lambda *_: None, should_stop=lambda: False
            )
            .pixels.astype(np.float64)
        )

    return run


@pytest.mark.parametrize("name", NAMES)
def test_a_photograph_in_bf16_equals_that_in_fp32(enlarged: Run, name: str) -> None:
    half = enlarged("bf16", name, PHOTOGRAPH)
    full = enlarged("reference", name, PHOTOGRAPH)

    assert 10 * np.log10(255**2 / np.mean((half - full) ** 2)) >= 50
    assert np.abs(half.mean(axis=(0, 1)) - full.mean(axis=(0, 1))).max() < 0.5


@pytest.mark.parametrize("name", NAMES)
def test_a_gentle_gradient_in_bf16_shows_no_bands(enlarged: Run, name: str) -> None:
    half = enlarged("bf16", name, GRADIENT)
    full = enlarged("reference", name, GRADIENT)

    # The columns of a band would all err to one side.
    bands = (half - full).mean(axis=0).reshape(-1, 8, 3).mean(axis=1)
    assert np.abs(bands).max() < 1.5
    assert unevenness(half) < 1.15 * unevenness(full) + 0.1


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 2), (7, 5), (48, 48)])
@pytest.mark.parametrize("name", NAMES)
def test_pictures_of_any_size_equal_those_of_the_reference(
    enlarged: Run, name: str, size: tuple[int, int]
) -> None:
    pixels = np.ascontiguousarray(PHOTOGRAPH[: size[0], : size[1]])
    reference = enlarged("reference", name, pixels)

    for by, least in (("fp32", 70), ("bf16", 44)):
        error = float(np.mean((enlarged(by, name, pixels) - reference) ** 2))
        assert 10 * np.log10(255**2 / max(error, 1e-9)) >= least, by


@pytest.mark.parametrize("name", NAMES)
def test_the_same_picture_gives_the_same_bytes(enlarged: Run, name: str) -> None:
    once = enlarged("bf16", name, PHOTOGRAPH)
    enlarged("bf16", name, GRADIENT)

    assert (enlarged("bf16", name, PHOTOGRAPH) == once).all()


def unevenness(pixels: npt.NDArray[np.float64]) -> float:
    return float(np.abs(np.diff(pixels, 2, axis=1)).mean())
