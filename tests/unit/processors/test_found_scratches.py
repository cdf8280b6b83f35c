"""Scratches, dust and folds are found; what is no damage is not."""

import numpy as np
import numpy.typing as npt
import pytest

from bench.clean_pictures import clean_picture
from bench.old_prints import damaged
from bench.pictures import photograph
from bench.scratch_fit import near
from processors.engine.scratch_mask import find_damage
from processors.engine.tiled import Cancelled


def found(
    pixels: npt.NDArray[np.uint8],
    sensitivity: float = 0.5,
    shown: npt.NDArray[np.bool_] | None = None,
) -> npt.NDArray[np.bool_]:
    return find_damage(
        pixels, shown, sensitivity, progress=lambda *_: None, should_stop=lambda: False
    )


def sky(height: int = 240, width: int = 320) -> npt.NDArray[np.uint8]:
    rng = np.random.default_rng(5)
    ramp = np.linspace(90, 150, width) + rng.normal(0, 3, (height, width))
    return np.rint(ramp).astype(np.uint8)[..., np.newaxis]


def test_a_scratch_in_a_smooth_sky_is_found_and_little_else() -> None:
    pixels = sky()
    truth = np.zeros(pixels.shape[:2], np.bool_)
    for row in range(20, 220):
        truth[row, 100 + row // 8 : 102 + row // 8] = True
    pixels[truth] = 245

    marks = found(pixels)

    assert marks[truth].mean() > 0.9
    assert (marks & ~near(truth, 5)).mean() < 0.005


def test_a_bright_speck_is_found_and_a_dark_one_by_who_looks_closer() -> None:
    pixels = sky()
    pixels[60:64, 70:74], pixels[160:164, 170:174] = 250, 10

    marks, closer = found(pixels), found(pixels, 0.7)

    assert marks[60:64, 70:74].all()
    assert closer[160:164, 170:174].all()
    assert closer.sum() < 200


@pytest.mark.parametrize("kind", ["wires", "fence", "page"])
def test_lines_that_a_picture_shows_are_left(kind: str) -> None:
    # Seeds that the judges did not learn from.
    assert found(clean_picture(kind, 60)).mean() < 0.01


@pytest.mark.parametrize("name", ["chelsea.png", "gravel.png", "grass.png", "ihc.png", "text.png"])
def test_textures_of_clean_pictures_are_left(name: str) -> None:
    assert found(photograph(name)[:300, :300]).mean() < 0.005


def test_most_of_what_is_drawn_on_a_portrait_is_found() -> None:
    old = damaged(photograph("moon.png"), 7)
    truth = np.any(list(old.truth.values()), axis=0)

    marks = found(old.pixels)

    assert near(marks)[truth].mean() > 0.8
    assert near(truth)[marks].mean() > 0.7


def test_more_is_found_the_more_sensitive_it_is() -> None:
    pixels = damaged(photograph("chelsea.png"), 3).pixels

    shares = [found(pixels, sensitivity).mean() for sensitivity in (0.0, 0.5, 1.0)]

    assert shares[0] < shares[1] < shares[2]


def test_what_is_hidden_is_never_damaged() -> None:
    pixels = sky()
    pixels[60:64, 70:74] = 250
    shown = np.ones(pixels.shape[:2], np.bool_)
    shown[50:80] = False

    assert not found(pixels, shown=shown)[50:80].any()


@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 5, 1), (15, 400, 3), (16, 16, 1), (33, 40, 3)])
def test_pictures_of_any_size_are_searched(shape: tuple[int, int, int]) -> None:
    assert found(np.full(shape, 80, np.uint8)).shape == shape[:2]
    assert not found(np.full(shape, 80, np.uint8)).any()


def test_a_stop_is_heeded_before_a_tile_and_tiles_are_told_of() -> None:
    told: list[tuple[int, int]] = []

    def stop_after_one() -> bool:
        return bool(told)

    with pytest.raises(Cancelled):
        find_damage(
            np.zeros((40, 2600, 1), np.uint8),
            None,
            0.5,
            progress=lambda done, total: told.append((done, total)),
            should_stop=stop_after_one,
        )

    assert told == [(1, 3)]


def test_the_same_seed_draws_the_same_damage() -> None:
    first, second = (damaged(sky(), 4) for _ in range(2))

    assert (first.pixels == second.pixels).all()
    assert all((first.truth[kind] == second.truth[kind]).all() for kind in first.truth)
    assert (first.pixels != sky()).any()
