"""Scratches are found and filled in one operation."""

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from bench.pictures import photograph
from processors.engine.filling import Filling
from processors.images.image import Image
from processors.operations.result import Restored
from processors.operations.scratches import Scratches
from processors.sandbox.sandbox import Sandbox
from schemas.operations import ImageFormat, ScratchesParameters
from schemas.warnings import Warned


@pytest.fixture(scope="module")
def filler() -> Iterator[Sandbox]:
    with Sandbox("processors.engine.fill_child") as filler:
        yield filler


def mended(
    filler: Sandbox,
    pixels: npt.NDArray[np.uint8],
    parameters: ScratchesParameters,
    alpha: npt.NDArray[np.uint8] | None = None,
) -> Restored:
    height, width, _ = pixels.shape
    image = Image(pixels, alpha, b"profile", ImageFormat.PNG, (width, height))
    return Scratches(filler).run(
        image, parameters, None, progress=lambda *_: None, should_stop=lambda: False
    )


def scratched() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    truth = np.repeat(photograph("moon.png")[100:300, 100:220], 3, axis=2)
    pixels = truth.copy()
    pixels[10:190, 30:32] = 250
    return truth, pixels


def error(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8]) -> float:
    return float(np.mean((a.astype(float) - b) ** 2))


def test_a_scratched_picture_comes_closer_to_what_it_was_and_only_the_mask_changes(
    filler: Sandbox,
) -> None:
    truth, pixels = scratched()
    alpha = np.full(pixels.shape[:2], 99, np.uint8)

    result = mended(filler, pixels, ScratchesParameters(), alpha)
    drawn = mended(filler, pixels, ScratchesParameters(result="mask"), alpha).image

    marked = drawn.pixels[..., 0] == 255
    assert error(result.image.pixels, truth) < 0.2 * error(pixels, truth)
    assert (result.image.pixels[~marked] == pixels[~marked]).all()
    assert (result.image.pixels[marked] != pixels[marked]).any()
    assert result.image.alpha is alpha
    assert [used.name for used in result.report.models] == ["scratch-detector", "opencv-fsr-fast"]


def test_a_mask_is_a_grey_picture_in_black_and_white(filler: Sandbox) -> None:
    drawn = mended(filler, scratched()[1], ScratchesParameters(result="mask")).image

    assert drawn.pixels.shape == (200, 120, 1)
    assert set(np.unique(drawn.pixels)) == {0, 255}
    assert drawn.alpha is None
    assert drawn.icc is None


@pytest.mark.parametrize("result", ["picture", "mask"])
def test_where_nothing_is_found_the_picture_is_the_same_bytes(filler: Sandbox, result: str) -> None:
    pixels = np.full((60, 60, 3), 120, np.uint8)

    mended_ = mended(filler, pixels, ScratchesParameters.model_validate({"result": result}))

    assert mended_.report.warnings == (Warned.NOTHING_FOUND,)
    expected = pixels if result == "picture" else np.zeros((60, 60, 1), np.uint8)
    assert mended_.image.pixels.tobytes() == expected.tobytes()


def test_a_line_that_is_all_there_is_to_see_is_no_scratch(filler: Sandbox) -> None:
    pixels = np.zeros((300, 300, 3), np.uint8)
    cv2.line(pixels, (20, 30), (280, 200), (255, 255, 255), 2)
    alpha = pixels[..., 0].copy()
    opaque = mended(filler, pixels, ScratchesParameters(result="mask"))
    assert (opaque.image.pixels[alpha > 0] == 255).all()

    result = mended(filler, pixels, ScratchesParameters(), alpha)

    assert result.report.warnings == (Warned.NOTHING_FOUND,)
    assert (result.image.pixels == pixels).all()


def test_there_is_no_filling_from_nothing(filler: Sandbox) -> None:
    everywhere = np.ones((20, 30), np.bool_)

    with pytest.raises(ValueError, match="no pixel to fill from"):
        Filling(filler).fill(
            np.zeros((20, 30, 3), np.uint8),
            everywhere,
            everywhere,
            progress=lambda *_: None,
            should_stop=lambda: False,
        )


def test_progress_goes_from_the_search_on_to_the_filling_and_never_back(filler: Sandbox) -> None:
    _, pixels = scratched()
    image = Image(pixels, None, None, ImageFormat.PNG, (120, 200))
    told: list[tuple[int, int]] = []

    Scratches(filler).run(
        image,
        ScratchesParameters(),
        None,
        progress=lambda done, total: told.append((done, total)),
        should_stop=lambda: False,
    )

    shares = [done / total for done, total in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1
