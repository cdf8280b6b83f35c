"""Upscaling keeps a picture's colours, its greyness, its alpha and its profile."""

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from skimage import data

from processors.engine.tiled import Cancelled
from processors.images.image import Image
from processors.models.manifest import NETWORKS
from processors.operations import Restored, Restorer, restore
from processors.operations.result import Used
from schemas.operations import IdentityParameters, ImageFormat, UpscaleParameters


@pytest.fixture(scope="module")
def restorer() -> Iterator[Restorer]:
    with Restorer() as restorer:
        yield restorer


def picture(pixels: npt.NDArray[np.uint8], alpha: npt.NDArray[np.uint8] | None = None) -> Image:
    height, width, _ = pixels.shape
    return Image(pixels, alpha, b"a profile", ImageFormat.PNG, (width, height))


def upscaled(restorer: Restorer, image: Image, model: str = "fast", factor: float = 4) -> Restored:
    parameters = UpscaleParameters.model_validate({"model": model, "factor": factor})
    return restorer.restore(parameters, image, progress=lambda *_: None, should_stop=lambda: False)


@pytest.mark.parametrize("model", ["photo", "anime", "fast"])
@pytest.mark.parametrize("photograph", ["astronaut", "chelsea", "coffee"])
def test_the_mean_colour_stays_within_a_level(
    restorer: Restorer, photograph: str, model: str
) -> None:
    whole = getattr(data, photograph)()
    small = cv2.resize(whole, (56, 40), interpolation=cv2.INTER_AREA)

    result = upscaled(restorer, picture(small), model)

    assert result.image.pixels.shape == (160, 224, 3)
    shift = result.image.pixels.mean(axis=(0, 1)) - small.mean(axis=(0, 1))
    assert np.abs(shift).max() < 1


def test_edges_come_out_sharper_than_by_bicubic_enlargement(restorer: Restorer) -> None:
    truth = data.chelsea()[0:240, 80:400]
    small = cv2.resize(truth, (80, 60), interpolation=cv2.INTER_AREA)
    bicubic = cv2.resize(small, (320, 240), interpolation=cv2.INTER_CUBIC)

    edges = sharpness(upscaled(restorer, picture(small), "photo").image.pixels)

    assert sharpness(bicubic) < edges < 2 * sharpness(truth)


def sharpness(pixels: npt.NDArray[np.uint8]) -> float:
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_64F).std())


def test_grey_stays_grey(restorer: Restorer) -> None:
    grey = data.camera()[200:240, 200:260, np.newaxis]

    image = upscaled(restorer, picture(grey)).image

    assert image.pixels.shape == (160, 240, 1)
    assert abs(float(image.pixels.mean()) - float(grey.mean())) < 1


def test_alpha_is_enlarged_with_the_picture(restorer: Restorer) -> None:
    alpha = np.zeros((24, 32), np.uint8)
    alpha[:, 16:] = 255

    image = upscaled(restorer, picture(data.coffee()[:24, :32], alpha)).image

    assert image.alpha is not None
    assert image.alpha.shape == (96, 128)
    assert (image.alpha[:, :56] == 0).all()
    assert (image.alpha[:, 72:] == 255).all()


def test_what_alpha_hides_does_not_bleed_into_what_is_seen(restorer: Restorer) -> None:
    pixels = np.zeros((32, 32, 3), np.uint8)
    alpha = np.zeros((32, 32), np.uint8)
    pixels[8:24, 8:24] = (250, 240, 230)
    alpha[8:24, 8:24] = 255

    image = upscaled(restorer, picture(pixels, alpha)).image

    assert image.alpha is not None
    assert image.pixels[image.alpha > 0].min() > 200


def test_the_profile_and_the_source_are_kept(restorer: Restorer) -> None:
    image = upscaled(restorer, picture(data.coffee()[:8, :8])).image

    assert image.icc == b"a profile"
    assert image.source_format is ImageFormat.PNG
    assert image.source_size == (8, 8)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 2)])
def test_the_smallest_pictures_are_enlarged_too(restorer: Restorer, size: tuple[int, int]) -> None:
    pixels = np.full((*size, 3), 90, np.uint8)

    image = upscaled(restorer, picture(pixels), "anime").image

    assert image.pixels.shape == (4 * size[0], 4 * size[1], 3)


@pytest.mark.parametrize(
    ("model", "factor", "networks"),
    [
        ("fast", 1.5, ["realesr-animevideov3-x2"]),
        ("fast", 2, ["realesr-animevideov3-x2"]),
        ("fast", 2.5, ["realesr-animevideov3-x3"]),
        ("fast", 8, ["realesr-animevideov3"]),
        ("photo-light", 2, ["waifu2x-photo-x2"]),
        ("photo-light", 3, ["waifu2x-photo-x2", "waifu2x-photo-x2"]),
        ("anime-light", 6.3, ["waifu2x-anime-x2", "waifu2x-anime-x2"]),
        ("anime", 2, ["realesrgan-x4plus-anime"]),
    ],
)
def test_any_factor_is_reached_by_networks_and_then_resampling(
    restorer: Restorer, model: str, factor: float, networks: list[str]
) -> None:
    small = data.coffee()[100:121, 200:233]
    alpha = np.full((21, 33), 255, np.uint8)

    result = upscaled(restorer, picture(small, alpha), model, factor)

    size = (round(33 * factor), round(21 * factor))
    assert (result.image.width, result.image.height) == size
    assert result.image.alpha is not None
    assert result.image.alpha.shape == size[::-1]
    assert [used.name for used in result.report.models] == networks
    shift = result.image.pixels.mean(axis=(0, 1)) - small.mean(axis=(0, 1))
    assert np.abs(shift).max() < 1


def test_progress_of_two_networks_is_told_as_one(restorer: Restorer) -> None:
    told: list[tuple[int, int]] = []

    restorer.restore(
        UpscaleParameters(model="photo-light", factor=4),
        picture(data.coffee()[:8, :8]),
        progress=lambda done, total: told.append((done, total)),
        should_stop=lambda: False,
    )

    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (1000, 1000)


def test_the_report_names_the_weights_and_the_time(restorer: Restorer) -> None:
    report = upscaled(restorer, picture(data.coffee()[:8, :8])).report

    entry = next(entry for entry in NETWORKS if entry.name == "realesr-animevideov3")
    assert report.models == (Used("realesr-animevideov3", entry.sha256),)
    assert (report.input_size, report.output_size) == ((8, 8), (32, 32))
    assert report.tiles == 1
    assert [phase.name for phase in report.phases] == [
        "load",
        "network",
        "colour",
        "resample",
    ]
    assert all(phase.milliseconds >= 0 for phase in report.phases)


def test_a_stop_asked_for_before_the_work_ends_it(restorer: Restorer) -> None:
    with pytest.raises(Cancelled):
        restorer.restore(
            UpscaleParameters(model="fast"),
            picture(data.coffee()[:8, :8]),
            progress=lambda *_: None,
            should_stop=lambda: True,
        )


def test_the_door_refuses_parameters_of_another_operation() -> None:
    with pytest.raises(ValueError, match="upscale parameters were given for inpaint"):
        restore(
            "inpaint",
            UpscaleParameters(),
            picture(data.coffee()[:8, :8]),
            progress=lambda *_: None,
            should_stop=lambda: False,
        )


def test_identity_is_no_work_for_pixels(restorer: Restorer) -> None:
    with pytest.raises(ValueError, match="identity restores nothing"):
        restorer.restore(
            IdentityParameters(),
            picture(data.coffee()[:8, :8]),
            progress=lambda *_: None,
            should_stop=lambda: False,
        )
