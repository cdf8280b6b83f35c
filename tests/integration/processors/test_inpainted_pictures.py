"""Inpainting fills what is marked and leaves every other pixel as it was."""

import signal
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from processors.engine.fill import fill_by_marching
from processors.engine.filling import EngineName
from processors.engine.tiled import Cancelled
from processors.failures import ModelUnavailable
from processors.images.image import Image
from processors.operations import Restored, Restorer
from processors.operations.inpaint import AlphaMissing, Inpaint, MaskRefused, MaskSizeMismatch
from processors.sandbox.sandbox import Sandbox
from schemas.operations import ImageFormat, InpaintParameters, Rectangle
from schemas.warnings import Warned

BY_FILE = InpaintParameters(mask="file")
BY_ALPHA = InpaintParameters(mask="alpha")


@pytest.fixture(scope="module")
def restorer() -> Iterator[Restorer]:
    with Restorer() as restorer:
        yield restorer


@pytest.fixture(scope="module")
def filler() -> Iterator[Sandbox]:
    with Sandbox("processors.engine.fill_child") as filler:
        yield filler


def picture(pixels: npt.NDArray[np.uint8], alpha: npt.NDArray[np.uint8] | None = None) -> Image:
    height, width, _ = pixels.shape
    return Image(pixels, alpha, None, ImageFormat.PNG, (width, height))


def mask_of(marked: npt.NDArray[np.bool_]) -> Image:
    return picture(np.where(marked, 255, 0).astype(np.uint8)[..., np.newaxis])


def scratch(height: int, width: int) -> npt.NDArray[np.bool_]:
    marked = np.zeros((height, width), np.bool_)
    marked[height // 2 : height // 2 + 3, 2:-2] = True
    marked[2:-2, width // 3 : width // 3 + 3] = True
    return marked


def inpainted(
    restorer: Restorer,
    image: Image,
    parameters: InpaintParameters,
    mask: Image | None = None,
) -> Restored:
    return restorer.restore(
        parameters, image, mask, progress=lambda *_: None, should_stop=lambda: False
    )


def psnr(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8]) -> float:
    error = float(np.mean((a.astype(float) - b) ** 2))
    return 10 * float(np.log10(255 * 255 / error))


@pytest.mark.parametrize("photograph", ["astronaut", "chelsea", "coffee", "camera"])
def test_a_scratch_is_filled_better_than_by_telea_and_nothing_else_is_touched(
    restorer: Restorer, photograph: str
) -> None:
    truth = getattr(data, photograph)()[100:180, 100:200].reshape(80, 100, -1)
    marked = scratch(80, 100)
    damaged = truth.copy()
    damaged[marked] = 255

    result = inpainted(restorer, picture(damaged), BY_FILE, mask_of(marked))

    pixels = result.image.pixels
    assert (pixels[~marked] == damaged[~marked]).all()
    by_telea = fill_by_marching(damaged, marked)
    assert psnr(pixels[marked], truth[marked]) > psnr(by_telea[marked], truth[marked])
    assert result.report.redone == 0


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 40), width=st.integers(1, 40))
def test_pixels_outside_any_mask_are_identical_at_any_size(
    restorer: Restorer, seed: int, height: int, width: int
) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (height, width, rng.choice([1, 3])), np.uint8)
    marked = rng.random((height, width)) < 0.2
    marked[0, 0] = False

    image = inpainted(restorer, picture(pixels), BY_FILE, mask_of(marked)).image

    assert (image.pixels[~marked] == pixels[~marked]).all()
    assert image.pixels.shape == pixels.shape


def test_what_alpha_hides_is_filled_and_becomes_opaque(restorer: Restorer) -> None:
    pixels = data.coffee()[100:160, 100:180].copy()
    alpha = np.full((60, 80), 255, np.uint8)
    alpha[20:30, 20:40] = 0
    alpha[40:50, 20:40] = 77
    pixels[alpha == 0] = (0, 255, 0)

    image = inpainted(restorer, picture(pixels, alpha), BY_ALPHA).image

    assert image.alpha is not None
    assert (image.alpha == np.where(alpha == 77, 77, 255)).all()
    assert (image.pixels[alpha > 0] == pixels[alpha > 0]).all()
    assert not (image.pixels[alpha == 0] == (0, 255, 0)).all(axis=1).any()


def test_a_picture_that_is_opaque_after_filling_has_no_alpha(restorer: Restorer) -> None:
    alpha = np.full((60, 80), 255, np.uint8)
    alpha[20:30, 20:40] = 0

    image = inpainted(restorer, picture(data.coffee()[:60, :80], alpha), BY_ALPHA).image

    assert image.alpha is None


def test_a_mask_file_leaves_alpha_as_it_is(restorer: Restorer) -> None:
    alpha = np.full((60, 80), 90, np.uint8)

    image = inpainted(
        restorer, picture(data.coffee()[:60, :80], alpha), BY_FILE, mask_of(scratch(60, 80))
    ).image

    assert image.alpha is not None
    assert (image.alpha == 90).all()


def test_a_mask_marks_with_128_and_above(restorer: Restorer) -> None:
    pixels = data.coffee()[:60, :80].copy()
    pixels[10:20, 10:70] = (255, 0, 255)
    levels = np.zeros((60, 80, 1), np.uint8)
    levels[10:20, 10:40] = 127
    levels[10:20, 40:70] = 128

    image = inpainted(restorer, picture(pixels), BY_FILE, picture(levels)).image

    assert (image.pixels[10:20, 10:40] == (255, 0, 255)).all()
    assert not (image.pixels[10:20, 40:70] == (255, 0, 255)).all(axis=2).any()


def test_an_empty_mask_changes_nothing(restorer: Restorer) -> None:
    pixels = data.coffee()[:60, :80]

    result = inpainted(restorer, picture(pixels), BY_FILE, mask_of(np.zeros((60, 80), np.bool_)))

    assert (result.image.pixels == pixels).all()
    assert result.report.tiles == 0


def test_masks_that_fit_nothing_are_refused_with_their_code(restorer: Restorer) -> None:
    image = picture(data.coffee()[:60, :80])

    with pytest.raises(MaskSizeMismatch, match="80x61") as mismatch:
        inpainted(restorer, image, BY_FILE, mask_of(scratch(61, 80)))
    assert mismatch.value.code == "mask_size_mismatch"
    for alpha in (None, np.full((60, 80), 255, np.uint8)):
        with pytest.raises(AlphaMissing) as missing:
            inpainted(restorer, replace(image, alpha=alpha), BY_ALPHA)
        assert missing.value.code == "alpha_missing"
    with pytest.raises(MaskRefused, match="nothing to fill from"):
        inpainted(restorer, image, BY_FILE, mask_of(np.ones((60, 80), np.bool_)))


def test_a_filler_that_crashes_is_replaced_by_telea_s_method() -> None:
    image = picture(data.coffee()[:60, :80])
    marked = np.zeros((60, 80), np.bool_)
    marked[5:8, 5:8] = marked[50:53, 70:73] = True
    before = set(psutil.Process().children())

    def crash_filler(*_progress: int) -> None:
        for child in set(psutil.Process().children()) - before:
            child.send_signal(signal.SIGSEGV)

    with Restorer() as restorer:
        result = restorer.restore(
            BY_FILE, image, mask_of(marked), progress=crash_filler, should_stop=lambda: False
        )

    assert (result.report.tiles, result.report.redone) == (2, 1)
    assert (result.image.pixels[~marked] == image.pixels[~marked]).all()
    by_telea = fill_by_marching(image.pixels, marked)
    assert (result.image.pixels[50:53, 70:73] == by_telea[50:53, 70:73]).all()


def test_a_stop_asked_for_ends_the_work_before_the_next_region(restorer: Restorer) -> None:
    marked = np.zeros((60, 80), np.bool_)
    marked[5:8, 5:8] = marked[50:53, 70:73] = True
    told: list[tuple[int, int]] = []

    with pytest.raises(Cancelled):
        restorer.restore(
            BY_FILE,
            picture(data.coffee()[:60, :80]),
            mask_of(marked),
            progress=lambda done, total: told.append((done, total)),
            should_stop=lambda: bool(told),
        )

    assert told == [(1, 2)]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("engine", ["auto", "frequency", "marching", "patches", "learned"])
def test_outside_the_mask_nothing_changes_whatever_the_engine(
    filler: Sandbox, engine: EngineName, channels: int
) -> None:
    pixels = np.ascontiguousarray(data.coffee()[100:201, 100:233, :channels])
    pixels[40:60, 50:75] = 255
    marked = np.zeros((101, 133), np.bool_)
    marked[40:60, 50:75] = marked[5:7, 3:120] = True

    result = Inpaint(filler, learned=lambda around, _holes, _beat: around // 2).run(
        picture(pixels),
        InpaintParameters(engine=engine),
        mask_of(marked),
        progress=lambda *_: None,
        should_stop=lambda: False,
    )

    assert (result.image.pixels[~marked] == pixels[~marked]).all()
    assert (result.image.pixels[40:60, 50:75] != 255).any()
    assert result.image.pixels.shape == pixels.shape


def test_a_network_that_nobody_supplied_is_named_as_missing(restorer: Restorer) -> None:
    with pytest.raises(ModelUnavailable, match="mi-gan"):
        inpainted(
            restorer,
            picture(data.coffee()[:60, :80]),
            InpaintParameters(engine="learned"),
            mask_of(scratch(60, 80)),
        )


def test_shapes_mark_what_is_filled_and_those_that_cover_nothing_are_refused(
    restorer: Restorer,
) -> None:
    pixels = data.coffee()[:60, :80].copy()
    pixels[10:20, 10:70] = (255, 0, 255)
    inside = Rectangle(left=10, top=10, width=60, height=10)
    outside = Rectangle(left=80, top=10, width=60, height=10)

    by_shapes = InpaintParameters(mask="shapes", shapes=[inside, outside])
    image = inpainted(restorer, picture(pixels), by_shapes).image

    assert not (image.pixels == (255, 0, 255)).all(axis=2).any()
    assert (image.pixels[20:] == pixels[20:]).all()
    for shapes in ([], [outside]):
        with pytest.raises(MaskRefused, match="80x60"):
            inpainted(restorer, picture(pixels), InpaintParameters(mask="shapes", shapes=shapes))


def test_deep_holes_are_filled_better_than_by_telea_on_average(restorer: Restorer) -> None:
    marked = np.zeros((200, 220), np.bool_)
    marked[70:130, 80:140] = True
    gains = []
    for photograph in ("astronaut", "chelsea", "coffee", "rocket"):
        truth = np.ascontiguousarray(getattr(data, photograph)()[80:280, 100:320])
        damaged = truth.copy()
        damaged[marked] = 255

        pixels = inpainted(restorer, picture(damaged), BY_FILE, mask_of(marked)).image.pixels

        by_telea = fill_by_marching(damaged, marked)
        gains.append(psnr(pixels[marked], truth[marked]) - psnr(by_telea[marked], truth[marked]))
    assert sum(gains) / len(gains) > 0.3


def test_hidden_colours_never_bleed_into_what_is_filled(restorer: Restorer) -> None:
    pixels = np.full((80, 80, 3), 100, np.uint8)
    alpha = np.full((80, 80), 255, np.uint8)
    alpha[:, 40:] = 0
    pixels[:, 40:] = (0, 255, 0)
    marked = np.zeros((80, 80), np.bool_)
    marked[20:60, 30:40] = True

    image = inpainted(restorer, picture(pixels, alpha), BY_FILE, mask_of(marked)).image

    assert np.abs(image.pixels[20:60, 30:40].astype(int) - 100).max() <= 2


def test_an_engine_asked_for_that_dies_is_told_of() -> None:
    image = picture(data.coffee()[:60, :80])

    with Sandbox("processors.engine.no_such_module") as broken:
        result = Inpaint(broken).run(
            image,
            InpaintParameters(engine="patches"),
            mask_of(scratch(60, 80)),
            progress=lambda *_: None,
            should_stop=lambda: False,
        )

    assert result.report.warnings == (Warned.ENGINE_UNSUITED,)
    assert result.report.redone == result.report.tiles == 1
    assert [used.name for used in result.report.models] == ["opencv-telea"]


@pytest.mark.parametrize("size", [(39, 70), (33, 33), (50, 47)])
def test_holes_in_the_last_rows_and_columns_are_filled_at_any_size(
    restorer: Restorer, size: tuple[int, int]
) -> None:
    height, width = size
    truth = np.add.outer(np.arange(height), np.arange(width)).astype(np.uint8)[..., np.newaxis]
    marked = np.zeros(size, np.bool_)
    marked[-4:-1, 10:20] = marked[8:15, -3:] = True
    damaged = truth.copy()
    damaged[marked] = 255

    pixels = inpainted(restorer, picture(damaged), BY_FILE, mask_of(marked)).image.pixels

    assert np.abs(pixels.astype(int) - truth).max() <= 10
