"""Restoring brings damaged photographs closer to what they were, and leaves good ones alone."""

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from skimage import data

from processors.engine.tiled import Cancelled
from processors.images.image import Image
from processors.operations import Restored, Restorer
from processors.operations.enhance import steps_for
from schemas.operations import (
    EnhanceParameters,
    ImageFormat,
    Parameters,
    RestoreParameters,
    ToneParameters,
)
from schemas.warnings import Warned

Pixels = npt.NDArray[np.uint8]
PHOTOGRAPHS = ["astronaut", "coffee", "chelsea"]


@pytest.fixture(scope="module")
def restorer() -> Iterator[Restorer]:
    with Restorer() as restorer:
        yield restorer


def photograph(name: str) -> Pixels:
    return np.ascontiguousarray(getattr(data, name)()[100:228, 100:228])


def picture(pixels: Pixels, alpha: Pixels | None = None) -> Image:
    height, width, _ = pixels.shape
    return Image(pixels, alpha, b"a profile", ImageFormat.PNG, (width, height))


def restored(restorer: Restorer, image: Image, parameters: Parameters) -> Restored:
    return restorer.restore(parameters, image, progress=lambda *_: None, should_stop=lambda: False)


def as_jpeg(pixels: Pixels, quality: int) -> Pixels:
    _, coded = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(decoded[..., ::-1])


def noisy(pixels: Pixels, deviation: float) -> Pixels:
    noise = np.random.default_rng(3).normal(0, deviation, pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def error(one: Pixels, other: Pixels) -> float:
    return float(np.mean((one.astype(np.float64) - other) ** 2))


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("quality", [10, 20, 40])
def test_a_photograph_saved_too_small_comes_closer_to_the_original(
    restorer: Restorer, name: str, quality: int
) -> None:
    original = photograph(name)
    damaged = as_jpeg(original, quality)

    result = restored(restorer, picture(damaged), RestoreParameters())

    # 0.3 dB are 7 % less error.
    assert error(result.image.pixels, original) < 0.93 * error(damaged, original)
    assert result.report.warnings == ()


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("deviation", [10, 25])
def test_a_noisy_photograph_comes_much_closer_to_the_original(
    restorer: Restorer, name: str, deviation: float
) -> None:
    original = photograph(name)
    damaged = noisy(original, deviation)

    result = restored(restorer, picture(damaged), RestoreParameters())

    assert error(result.image.pixels, original) < error(damaged, original) / 2.5
    shift = result.image.pixels.mean(axis=(0, 1)) - damaged.mean(axis=(0, 1))
    assert np.abs(shift).max() < 1


def test_a_clean_photograph_is_returned_as_it_is(restorer: Restorer) -> None:
    image = picture(photograph("coffee"))

    result = restored(restorer, image, RestoreParameters())

    assert result.image is image
    assert result.report.models == ()
    assert result.report.warnings == (Warned.NOTHING_FOUND,)


@pytest.mark.parametrize("strength", [0, 1, 2, 3])
@pytest.mark.parametrize("model", ["photo", "anime"])
def test_any_strength_can_be_asked_for(restorer: Restorer, model: str, strength: int) -> None:
    parameters = RestoreParameters.model_validate({"model": model, "strength": strength})
    image = picture(photograph("coffee")[:9, :7])

    result = restored(restorer, image, parameters)

    assert result.image.pixels.shape == (9, 7, 3)
    assert f"denoise{strength}" in result.report.models[0].name
    shift = result.image.pixels.mean(axis=(0, 1)) - image.pixels.mean(axis=(0, 1))
    assert np.abs(shift).max() < 1


def test_grey_stays_grey_and_alpha_stays_as_it_is(restorer: Restorer) -> None:
    grey = noisy(data.camera()[200:296, 200:296, np.newaxis], 15)
    alpha = np.zeros((96, 96), np.uint8)
    alpha[:, 30:] = 200

    image = restored(restorer, picture(grey, alpha), RestoreParameters(strength=3)).image

    assert image.pixels.shape == (96, 96, 1)
    assert image.alpha is alpha


def test_a_stop_that_is_asked_for_ends_the_work(restorer: Restorer) -> None:
    with pytest.raises(Cancelled):
        restorer.restore(
            RestoreParameters(strength=1),
            picture(photograph("coffee")),
            progress=lambda *_: None,
            should_stop=lambda: True,
        )


def test_a_chain_does_what_its_steps_do_one_by_one(restorer: Restorer) -> None:
    faded = (90 + noisy(photograph("astronaut"), 12) * 0.3).astype(np.uint8)
    step = restored(restorer, picture(faded), RestoreParameters())
    step = restored(restorer, step.image, ToneParameters())

    result = restored(restorer, picture(faded), EnhanceParameters(kind="document"))

    assert (result.image.pixels == step.image.pixels).all()
    assert [phase.name for phase in result.report.phases] == ["restore", "tone"]


def test_a_chain_ends_at_the_size_that_is_asked_for(restorer: Restorer) -> None:
    parameters = EnhanceParameters(kind="document", factor=1.5)

    result = restored(restorer, picture(noisy(photograph("coffee")[:64, :40], 8)), parameters)

    assert (result.image.width, result.image.height) == (60, 96)
    assert result.report.output_size == (60, 96)
    assert [step.operation for step in steps_for(parameters)] == ["restore", "tone", "upscale"]
