"""Faded pictures get their tones back; good ones are left alone."""

import numpy as np
import numpy.typing as npt
import pytest

from bench.pictures import photograph
from processors.engine.fading import Revival, measure_fading, revive, to_lab
from processors.engine.tiled import Cancelled
from processors.images.image import Image
from processors.operations.result import Restored
from processors.operations.tone import Tone
from schemas.operations import ImageFormat, ToneParameters
from schemas.warnings import Warned

FULL = ToneParameters(levels=1, white_balance=1, contrast=0.5)


def picture(pixels: npt.NDArray[np.uint8], alpha: npt.NDArray[np.uint8] | None = None) -> Image:
    height, width, _ = pixels.shape
    return Image(pixels, alpha, None, ImageFormat.PNG, (width, height))


def toned(image: Image, parameters: ToneParameters = FULL) -> Restored:
    return Tone().run(image, parameters, None, progress=lambda *_: None, should_stop=lambda: False)


def faded(pixels: npt.NDArray[np.uint8], contrast: float) -> npt.NDArray[np.uint8]:
    paper = np.float32([1, 0.96, 0.78])[: pixels.shape[2]]
    return np.rint((pixels * np.float32(contrast) + (1 - contrast) * 150) * paper).astype(np.uint8)


def psnr(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8]) -> float:
    return 10 * float(np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


@pytest.mark.parametrize("name", ["astronaut.png", "coffee.png", "chelsea.png", "camera.png"])
def test_a_good_photograph_is_returned_nearly_as_it_was(name: str) -> None:
    pixels = photograph(name)

    result = toned(picture(pixels))

    assert np.linalg.norm(to_lab(result.image.pixels) - to_lab(pixels), axis=2).mean() < 0.1


@pytest.mark.parametrize("contrast", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("name", ["astronaut.png", "coffee.png", "motorcycle_left.png"])
def test_a_faded_yellow_print_comes_at_least_6_db_closer_to_what_it_was(
    name: str, contrast: float
) -> None:
    truth = photograph(name)
    print_ = faded(truth, contrast)

    revived = toned(picture(print_)).image.pixels

    assert psnr(revived, truth) > psnr(print_, truth) + 6


def test_few_values_are_clipped() -> None:
    print_ = faded(photograph("coffee.png"), 0.5)

    revived = toned(picture(print_)).image.pixels

    assert ((revived == 0) | (revived == 255)).any(axis=2).mean() < 0.005


def test_tones_keep_their_order_and_grey_stays_grey() -> None:
    ramp = np.arange(60, 200, dtype=np.uint8).reshape(1, -1, 1)
    grey = revive(ramp, measure_fading(ramp, None), Revival(1, 1, 1))
    colour = revive(np.repeat(ramp, 3, axis=2), measure_fading(ramp, None), Revival(1, 1, 1))

    assert grey.shape == (1, 140, 1)
    assert (np.diff(grey[0, :, 0]) > 0).all()
    assert np.ptp(np.rint(colour), axis=2).max() == 0


def test_nothing_asked_for_changes_no_byte() -> None:
    pixels = faded(photograph("coffee.png")[:64, :64], 0.5)

    result = toned(picture(pixels), ToneParameters(levels=0, white_balance=0, contrast=0))

    assert result.image.pixels is pixels
    assert result.report.warnings == ()


def test_a_picture_with_its_black_is_returned_with_a_warning() -> None:
    pixels = photograph("camera.png")[:64, :64].copy()
    pixels[:8] = 0

    result = toned(picture(pixels))

    assert result.image.pixels is pixels
    assert result.report.warnings == (Warned.NOTHING_FOUND,)


def test_what_alpha_hides_neither_counts_nor_changes() -> None:
    shown = faded(photograph("coffee.png")[:100, :100], 0.5)
    pixels = shown.copy()
    pixels[:20], pixels[20:30] = 0, 255
    alpha = np.full((100, 100), 200, np.uint8)
    alpha[:30] = 0

    result = toned(picture(pixels, alpha))

    alone = toned(picture(shown[30:])).image.pixels
    assert (result.image.pixels[30:] == alone).all()
    assert (result.image.pixels[:30] == pixels[:30]).all()
    assert result.image.alpha is alpha


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 7, 1), (3, 1, 3)])
def test_the_smallest_pictures_and_flat_ones_are_left_alone(shape: tuple[int, int, int]) -> None:
    pixels = np.full(shape, 90, np.uint8)

    assert (toned(picture(pixels)).image.pixels == pixels).all()


def test_a_strip_gives_what_the_whole_gives_and_a_stop_is_heeded() -> None:
    pixels = np.tile(faded(photograph("coffee.png"), 0.5), (2, 2, 1))
    told: list[tuple[int, int]] = []

    result = Tone().run(
        picture(pixels),
        FULL,
        None,
        progress=lambda done, total: told.append((done, total)),
        should_stop=lambda: False,
    )

    assert told[-1] == (len(told), len(told))
    assert len(told) > 1
    assert (result.image.pixels[:400, :600] == result.image.pixels[400:, 600:]).all()
    with pytest.raises(Cancelled):
        Tone().run(picture(pixels), FULL, None, progress=lambda *_: None, should_stop=lambda: True)
