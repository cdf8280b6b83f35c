"""Samples show a picture evenly, with what lies around them, or whole where it is small."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.models.survey import is_its_own_sample, samples_of


@settings(max_examples=40, deadline=None)
@given(height=st.integers(1, 900), width=st.integers(1, 900))
def test_samples_are_of_one_size_that_networks_take(height: int, width: int) -> None:
    pixels = np.zeros((height, width, 3), np.uint8)

    samples = samples_of(pixels, margin=28, multiple=4)

    count, rows, columns, channels = samples.shape
    assert (rows - 56) % 4 == (columns - 56) % 4 == 0
    assert channels == 3
    if is_its_own_sample(height, width):
        assert count == 1
        assert 0 <= rows - 56 - height < 4
        assert 0 <= columns - 56 - width < 4
    else:
        assert 1 < count <= 9


@pytest.mark.parametrize("size", [(5, 7), (900, 700)])
def test_past_the_edges_a_picture_goes_on_as_it_ends(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)

    samples = samples_of(pixels, margin=3, multiple=1)

    assert (samples[0, :4, :4] == pixels[0, 0]).all()
    assert (samples[-1, -4:, -4:] == pixels[-1, -1]).all()
    assert (samples[0, 3:8, 3:10] == pixels[:5, :7]).all()


def test_every_corner_and_the_middle_of_a_large_picture_are_shown() -> None:
    pixels = np.zeros((1000, 1200, 1), np.uint8)
    for top, left in ((0, 0), (0, 1199), (999, 0), (999, 1199), (500, 600)):
        pixels[top, left] = 255

    samples = samples_of(pixels, margin=0, multiple=4)

    assert samples.shape == (9, 128, 128, 1)
    assert np.count_nonzero(samples) == 5


def test_a_strip_is_shown_along_its_length() -> None:
    pixels = np.zeros((32, 20_000, 3), np.uint8)

    assert samples_of(pixels, margin=28, multiple=4).shape == (3, 32 + 56, 128 + 56, 3)
