"""Noise and JPEG's blocks are told from what a picture is of."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from skimage import data

from processors.engine.damage import Damage, measure_damage
from processors.operations.restore import Strength, recipe_for

Pixels = npt.NDArray[np.uint8]
PHOTOGRAPHS = ["astronaut", "coffee", "chelsea"]


def photograph(name: str) -> Pixels:
    pixels: Pixels = getattr(data, name)()[40:296, 60:380]
    return np.ascontiguousarray(pixels)


def as_jpeg(pixels: Pixels, quality: int) -> Pixels:
    _, coded = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return decoded[..., ::-1]


def noisy(pixels: Pixels, deviation: float) -> Pixels:
    noise = np.random.default_rng(3).normal(0, deviation, pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_clean_photograph_is_left_as_it_is(name: str) -> None:
    assert recipe_for("photo", "auto", measure_damage(photograph(name))) is None


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_noise_is_measured_whatever_lies_under_it(name: str) -> None:
    for deviation in (10, 25):
        measured = measure_damage(noisy(photograph(name), deviation)).noise

        assert 0.5 * deviation < measured < 0.7 * deviation


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_blocks_show_the_more_the_lower_the_quality(name: str) -> None:
    shown = [measure_damage(as_jpeg(photograph(name), q)).blocks for q in (10, 20, 40, 75)]

    assert shown == sorted(shown, reverse=True)
    assert shown[-1] > 0.12


def test_blocks_are_found_at_any_phase_and_turned() -> None:
    saved = as_jpeg(photograph("coffee"), 20)
    whole = measure_damage(saved).blocks

    for changed in (saved[3:, 5:], np.rot90(saved)):
        assert measure_damage(np.ascontiguousarray(changed)).blocks == pytest.approx(whole, rel=0.1)


def test_grey_is_measured_as_grey() -> None:
    grey = data.camera()[:256, :256, np.newaxis]

    assert 5 < measure_damage(noisy(grey, 10)).noise < 12


@pytest.mark.parametrize("size", [(1, 1), (63, 500), (64, 64)])
def test_a_picture_of_one_colour_shows_none(size: tuple[int, int]) -> None:
    assert measure_damage(np.full((*size, 3), 200, np.uint8)) == Damage(0.0, 0.0)


@pytest.mark.parametrize(
    ("strength", "damage", "network", "smooth"),
    [
        ("auto", Damage(15, 0), "waifu2x-cunet-denoise3", True),
        ("auto", Damage(5, 1), "waifu2x-photo-denoise3-x2", False),
        ("auto", Damage(3, 0), "waifu2x-photo-denoise0-x2", False),
        ("auto", Damage(0, 0.7), "waifu2x-cunet-denoise2", False),
        ("auto", Damage(0, 0.2), "waifu2x-cunet-denoise1", False),
        ("auto", Damage(0, 0.1), "waifu2x-cunet-denoise0", False),
        (0, Damage(15, 1), "waifu2x-photo-denoise0-x2", False),
        (3, Damage(0, 0), "waifu2x-photo-denoise3-x2", False),
        (3, Damage(15, 0), "waifu2x-cunet-denoise3", True),
    ],
)
def test_the_network_follows_from_the_damage_or_from_the_strength(
    strength: Strength, damage: Damage, network: str, *, smooth: bool
) -> None:
    recipe = recipe_for("photo", strength, damage)

    assert recipe is not None
    assert (recipe.network, recipe.smooth) == (network, smooth)
