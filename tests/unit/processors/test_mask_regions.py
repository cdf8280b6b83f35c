"""A mask is cut into regions that cover it once."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from processors.engine.regions import plan_regions


@settings(max_examples=100, deadline=None)
@given(npst.arrays(np.bool_, st.tuples(st.integers(1, 60), st.integers(1, 60))))
def test_every_marked_pixel_is_filled_by_exactly_one_region(mask: np.ndarray) -> None:
    filled = np.zeros(mask.shape, int)
    for region in plan_regions(mask):
        box = region.box
        filled[box.top : box.bottom, box.left : box.right] += region.fill

    assert (filled == mask).all()


def test_marks_far_apart_are_filled_apart_with_their_surroundings() -> None:
    mask = np.zeros((200, 300), np.bool_)
    mask[10:20, 10:20] = True
    mask[150:160, 200:210] = True

    first, second = plan_regions(mask)

    assert (first.box.left, first.box.top, first.box.right, first.box.bottom) == (0, 0, 52, 52)
    assert (second.box.left, second.box.top) == (168, 118)
    assert (second.box.right, second.box.bottom) == (242, 192)


def test_an_empty_mask_has_no_region() -> None:
    assert plan_regions(np.zeros((5, 5), np.bool_)) == ()
