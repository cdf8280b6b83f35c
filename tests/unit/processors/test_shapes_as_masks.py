"""Rectangles and polygons cover pixels; deep holes are filled coarsely."""

import numpy as np

from processors.engine.regions import plan_regions
from processors.engine.shapes import covered
from schemas.operations import Polygon, Rectangle


def test_a_rectangle_covers_its_pixels_and_is_cut_off_at_the_edge() -> None:
    marks = covered([Rectangle(left=6, top=1, width=10, height=2)], 8, 5)

    assert marks.shape == (5, 8)
    assert np.argwhere(marks).tolist() == [[1, 6], [1, 7], [2, 6], [2, 7]]


def test_a_polygon_covers_its_outline_and_what_it_closes_in() -> None:
    marks = covered([Polygon(points=[(1, 1), (4, 1), (4, 3), (1, 3)])], 6, 6)

    assert (marks == covered([Rectangle(left=1, top=1, width=4, height=3)], 6, 6)).all()


def test_a_polygon_reaching_far_out_of_the_picture_covers_the_part_inside() -> None:
    marks = covered([Polygon(points=[(2, 0), (60000, 0), (60000, 60000), (2, 60000)])], 6, 4)

    assert marks[:, 2:].all()
    assert not marks[:, :2].any()


def test_shapes_outside_the_picture_cover_nothing() -> None:
    assert not covered([Rectangle(left=9, top=9, width=3, height=3)], 8, 8).any()
    assert not covered([], 8, 8).any()


def test_a_line_across_the_picture_is_cut_into_pieces_and_filled_at_full_size() -> None:
    mask = np.zeros((1000, 60), np.bool_)
    mask[:, 30:33] = True

    regions = plan_regions(mask)

    assert len(regions) == 4
    assert {region.coarseness for region in regions} == {1}
    assert all(region.box.height <= 256 + 64 for region in regions)


def test_a_deep_hole_is_one_region_that_is_filled_coarsely_with_more_around_it() -> None:
    mask = np.zeros((700, 700), np.bool_)
    mask[200:500, 200:500] = True

    (region,) = plan_regions(mask)

    assert region.coarseness >= 4
    assert region.box.left <= 200 - 64
    assert region.fill.sum() == 300 * 300
