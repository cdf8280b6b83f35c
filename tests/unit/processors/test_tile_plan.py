"""Tiles cover a picture once, and see what they need around them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.engine.plan import Box, halved, plan_tiles, plan_within

sides = st.integers(1, 90)


@settings(max_examples=200, deadline=None)
@given(
    width=sides,
    height=sides,
    tile=st.integers(1, 64),
    overlap=st.integers(0, 40),
    multiple=st.sampled_from([1, 2, 4, 8]),
)
def test_every_pixel_is_kept_exactly_once_and_read_with_its_surroundings(
    width: int, height: int, tile: int, overlap: int, multiple: int
) -> None:
    covered = np.zeros((height, width), int)
    for step in plan_tiles(width, height, tile=tile, overlap=overlap, multiple=multiple):
        kept, read = step.kept, step.read
        covered[kept.top : kept.bottom, kept.left : kept.right] += 1
        assert min(kept.width, kept.height) > 0
        assert 0 <= read.left <= max(0, kept.left - overlap)
        assert 0 <= read.top <= max(0, kept.top - overlap)
        assert min(width, kept.right + overlap) <= read.right
        assert min(height, kept.bottom + overlap) <= read.bottom
        assert read.width < tile + 2 * (overlap + multiple)
        assert read.height < tile + 2 * (overlap + multiple)
        assert read.left % multiple == read.width % multiple == 0
        assert read.top % multiple == read.height % multiple == 0
    assert (covered == 1).all()


@given(
    width=st.integers(1, 20),
    height=st.integers(1, 20),
    tile=st.integers(1, 64),
    overlap=st.integers(0, 40),
)
def test_a_picture_of_whole_multiples_needs_no_padding(
    width: int, height: int, tile: int, overlap: int
) -> None:
    for step in plan_tiles(4 * width, 4 * height, tile=tile, overlap=overlap, multiple=4):
        assert step.read.right <= 4 * width
        assert step.read.bottom <= 4 * height


@given(length=st.integers(1, 500), tile=st.integers(1, 64))
def test_tiles_are_of_one_width_within_a_pixel(length: int, tile: int) -> None:
    widths = {step.kept.width for step in plan_tiles(length, 1, tile=tile, overlap=0)}

    assert max(widths) - min(widths) <= 1


def test_a_picture_that_fits_is_one_tile() -> None:
    (step,) = plan_tiles(132, 80, tile=100, overlap=16)

    assert step.kept == step.read == Box(0, 0, 132, 80)


@pytest.mark.parametrize(
    ("width", "tile", "overlap", "multiple"),
    [(0, 8, 0, 1), (8, 0, 0, 1), (8, 8, -1, 1), (8, 8, 0, 0)],
)
def test_sizes_that_make_no_sense_are_refused(
    width: int, tile: int, overlap: int, multiple: int
) -> None:
    with pytest.raises(ValueError, match="cannot cut"):
        plan_tiles(width, 8, tile=tile, overlap=overlap, multiple=multiple)


@settings(max_examples=200, deadline=None)
@given(
    width=sides,
    height=sides,
    area=st.integers(1, 9000),
    overlap=st.integers(0, 20),
    multiple=st.sampled_from([1, 4]),
)
def test_a_plan_keeps_to_its_memory_and_covers_every_pixel_once(
    width: int, height: int, area: int, overlap: int, multiple: int
) -> None:
    covered = np.zeros((height, width), int)
    smallest = (16 + 2 * (overlap + multiple)) ** 2
    for step in plan_within(width, height, area=area, overlap=overlap, multiple=multiple):
        kept, read = step.kept, step.read
        covered[kept.top : kept.bottom, kept.left : kept.right] += 1
        assert read.area <= max(area, smallest)
        assert read.left <= max(0, kept.left - overlap)
        assert min(width, kept.right + overlap) <= read.right
        assert read.left % multiple == read.top % multiple == 0
        assert read.width % multiple == read.height % multiple == 0
    assert (covered == 1).all()


@given(width=st.integers(1, 2000), height=st.integers(1, 2000))
def test_a_plan_reads_no_more_than_square_tiles_of_the_same_area_do(
    width: int, height: int
) -> None:
    squares = plan_tiles(width, height, tile=100, overlap=10)
    plan = plan_within(width, height, area=120 * 120, overlap=10)

    assert sum(step.read.area for step in plan) <= sum(step.read.area for step in squares)


def test_a_strip_is_cut_along_its_length_alone() -> None:
    plan = plan_within(4000, 30, area=100 * 100, overlap=10)

    assert {step.kept.height for step in plan} == {30}


@given(
    width=sides,
    height=sides,
    overlap=st.integers(0, 20),
    multiple=st.sampled_from([1, 4]),
)
def test_a_halved_tile_keeps_what_it_kept(
    width: int, height: int, overlap: int, multiple: int
) -> None:
    (whole,) = plan_within(width, height, area=40_000, overlap=overlap, multiple=multiple)

    parts = halved(whole, width, height, overlap=overlap, multiple=multiple)

    if max(width, height) < 32:
        assert parts == []
        return
    assert sum(part.kept.area for part in parts) == whole.kept.area
    assert all(part.kept.area < whole.kept.area for part in parts)
    assert all(part.read.area <= whole.read.area for part in parts)
