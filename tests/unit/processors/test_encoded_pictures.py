"""A picture is written with its colours, its alpha and its profile, and with nothing else."""

import io

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageCms

from processors.images.encode import EXTENSIONS, MEDIA_TYPES, encode
from processors.images.errors import ImageTooLarge
from processors.images.image import Image
from schemas.operations import WRITTEN, ImageFormat

RNG = np.random.default_rng(5)
FORMATS = sorted(WRITTEN)
TIFF_STRUCTURE = {256, 257, 258, 259, 262, 273, 274, 277, 278, 279, 284, 317, 338, 339, 34675}
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def picture(channels: int = 3, *, alpha: bool = False, icc: bytes | None = None) -> Image:
    smooth = np.linspace(20, 220, 40 * 24 * channels).reshape(24, 40, channels)
    return Image(
        pixels=smooth.astype(np.uint8),
        alpha=RNG.integers(0, 256, (24, 40), np.uint8) if alpha else None,
        icc=icc,
        source_format=ImageFormat.PNG,
        source_size=(40, 24),
    )


def opened(data: bytes) -> Pillow.Image:
    image = Pillow.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_same_picture_gives_the_same_bytes(
    form: ImageFormat, channels: int, *, alpha: bool
) -> None:
    image = picture(channels, alpha=alpha)

    data = encode(image, form)

    assert data == encode(image, form)
    assert opened(data).format == form.value.upper()
    assert opened(data).size == (40, 24)


@pytest.mark.parametrize(
    ("channels", "alpha", "mode"),
    [(1, False, "L"), (1, True, "LA"), (3, False, "RGB"), (3, True, "RGBA")],
)
def test_png_keeps_every_channel_as_it_is(channels: int, mode: str, *, alpha: bool) -> None:
    image = picture(channels, alpha=alpha)

    written = opened(encode(image, ImageFormat.PNG))

    assert written.mode == mode
    stored = np.asarray(written).reshape(24, 40, -1)
    assert (stored[..., :channels] == image.pixels).all()
    if image.alpha is not None:
        assert (stored[..., channels] == image.alpha).all()


def test_jpeg_is_written_without_chroma_subsampling() -> None:
    data = encode(picture(), ImageFormat.JPEG)

    layers = opened(data).layer  # type: ignore[attr-defined] # of Pillow's JPEG class alone
    assert [layer[1:3] for layer in layers] == [(1, 1), (1, 1), (1, 1)]


def test_grey_is_written_as_grey_jpeg() -> None:
    assert opened(encode(picture(1), ImageFormat.JPEG)).mode == "L"


def test_a_transparent_picture_is_laid_on_white_for_jpeg() -> None:
    image = picture()
    clear = Image(
        pixels=np.zeros_like(image.pixels),
        alpha=np.zeros((24, 40), np.uint8),
        icc=None,
        source_format=ImageFormat.PNG,
        source_size=(40, 24),
    )

    assert (np.asarray(opened(encode(clear, ImageFormat.JPEG))) >= 254).all()


@pytest.mark.parametrize("form", FORMATS)
def test_the_profile_is_written_and_no_other_metadata(form: ImageFormat) -> None:
    written = opened(encode(picture(icc=PROFILE), form))

    assert written.info["icc_profile"] == PROFILE
    assert not set(written.getexif()) - TIFF_STRUCTURE
    assert "icc_profile" not in opened(encode(picture(), form)).info


def test_a_side_that_webp_cannot_hold_is_refused() -> None:
    long = Image(
        pixels=np.zeros((1, 16_384, 3), np.uint8),
        alpha=None,
        icc=None,
        source_format=ImageFormat.PNG,
        source_size=(16_384, 1),
    )

    with pytest.raises(ImageTooLarge, match="ask for png"):
        encode(long, ImageFormat.WEBP)


def test_every_format_has_a_media_type_and_an_extension() -> None:
    assert set(MEDIA_TYPES) == set(EXTENSIONS) == set(ImageFormat)
