"""What is asked of every picture before any operation begins."""

from collections.abc import Iterator

import numpy as np
import pytest

from processors.content import Allowed, ContentForbidden, Forbidden, Verdict
from processors.images.errors import ImageTooLarge
from processors.images.image import Image
from processors.operations import Restored, Restorer
from schemas.errors import ErrorCode
from schemas.operations import EnhanceParameters, ImageFormat, Parameters, UpscaleParameters


def picture(width: int, height: int, *, level: int = 90) -> Image:
    pixels = np.full((height, width, 3), level, np.uint8)
    return Image(pixels, None, None, ImageFormat.PNG, (width, height))


def white_is_forbidden(image: Image) -> Verdict:
    return Forbidden("white") if image.pixels.all() else Allowed()


@pytest.fixture
def restorer() -> Iterator[Restorer]:
    with Restorer(inspect=white_is_forbidden) as restorer:
        yield restorer


def restored(restorer: Restorer, parameters: Parameters, image: Image) -> Restored:
    return restorer.restore(parameters, image, progress=lambda *_: None, should_stop=lambda: False)


def test_a_picture_that_the_content_rules_forbid_is_not_restored(restorer: Restorer) -> None:
    steps = EnhanceParameters(kind="document")

    with pytest.raises(ContentForbidden, match="white") as refused:
        restored(restorer, steps, picture(8, 8, level=255))

    assert (refused.value.code, refused.value.category) == (ErrorCode.CONTENT_REFUSED, "white")
    assert restored(restorer, steps, picture(8, 8, level=0)).image.width == 8


def test_what_can_have_no_result_is_refused_before_the_work(restorer: Restorer) -> None:
    def told() -> None:
        raise AssertionError("the work has begun")

    for parameters, told_of in (
        (UpscaleParameters(factor=8, format="webp"), "16384x8; webp holds 16383 a side"),
        (EnhanceParameters(kind="document", factor=8, format="webp"), "webp holds 16383"),
    ):
        with pytest.raises(ImageTooLarge, match=told_of):
            restorer.restore(
                parameters,
                picture(2048, 1, level=0),
                progress=lambda *_: told(),
                should_stop=lambda: False,
            )
    with pytest.raises(ImageTooLarge, match="a result has at most 268435456 pixels"):
        restored(restorer, UpscaleParameters(factor=8), picture(2049, 2048, level=0))
