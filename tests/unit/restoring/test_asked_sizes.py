"""A size is asked for instead of a factor, and each picture gets the factor that it needs."""

import pytest

from cli.restoring.asked import WronglyAskedError, parameters_of
from cli.restoring.sizing import LargeEnoughError, Side, Size, TooSmallError, size_of
from schemas.operations import EnhanceParameters, ToneParameters, UpscaleParameters
from schemas.sizes import result_size


@pytest.mark.parametrize("pixels", [38, 111, 295])
@pytest.mark.parametrize("size", [(37, 21), (21, 37), (36, 36)])
def test_the_side_that_is_meant_has_as_many_pixels_as_were_asked_for(
    size: tuple[int, int], pixels: int
) -> None:
    asked = UpscaleParameters(model="fast", format="webp")

    by_long = result_size(Size(Side.LONG, pixels).parameters_for(asked, 37, 21), 37, 21)
    by_width = Size(Side.WIDTH, pixels).parameters_for(asked, 37, size[1])
    by_height = Size(Side.HEIGHT, pixels).parameters_for(asked, size[0], 37)

    assert max(by_long) == pixels
    assert result_size(by_width, 37, size[1])[0] == pixels
    assert result_size(by_height, size[0], 37)[1] == pixels
    assert by_width == asked.model_copy(update={"factor": pixels / 37})


def test_what_is_as_large_already_is_not_made_smaller() -> None:
    with pytest.raises(LargeEnoughError, match="90x80"):
        Size(Side.LONG, 90).parameters_for(UpscaleParameters(), 90, 80)

    repaired = Size(Side.LONG, 50).parameters_for(EnhanceParameters(kind="document"), 90, 80)
    assert repaired == EnhanceParameters(kind="document", factor=1)


def test_the_largest_size_that_can_be_reached_is_named() -> None:
    with pytest.raises(TooSmallError, match=r"8\.1 times .* ask for 80 or less"):
        Size(Side.WIDTH, 81).parameters_for(UpscaleParameters(), 10, 99)
    assert Size(Side.WIDTH, 80).parameters_for(UpscaleParameters(), 10, 99).factor == 8


def test_one_size_is_asked_for_and_only_of_what_enlarges() -> None:
    none = dict.fromkeys(Side)

    assert size_of(UpscaleParameters(factor=2.0), none) is None
    assert size_of(EnhanceParameters(), none | {Side.LONG: 9}) == Size(Side.LONG, 9)
    with pytest.raises(WronglyAskedError, match="--width and --height cannot both hold"):
        size_of(UpscaleParameters(), none | {Side.WIDTH: 9, Side.HEIGHT: 9})
    with pytest.raises(WronglyAskedError, match=r"--width and --scale \(factor\) cannot"):
        size_of(parameters_of("upscale", {}, ["factor=2"]), none | {Side.WIDTH: 9})
    with pytest.raises(WronglyAskedError, match="not for tone"):
        size_of(ToneParameters(), none | {Side.WIDTH: 9})
