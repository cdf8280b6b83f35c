"""A picture is written with its colours, its alpha and its profile, as it was asked for."""

import io

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageCms

from processors.images.decode import decode
from processors.images.encode import EXTENSIONS, LOWEST_QUALITY, MEDIA_TYPES, Encoded, encode
from processors.images.errors import ImageTooLarge
from processors.images.image import Image
from processors.images.limits import DecodeLimits
from processors.images.provenance import Provenance
from schemas.operations import WRITTEN, ImageFormat, OperationName, PictureParameters
from schemas.warnings import Warned

FORMATS = sorted(WRITTEN)
RNG = np.random.default_rng(5)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GREY_PROFILE = PROFILE[:16] + b"GRAY" + PROFILE[20:]
MADE_BY = Provenance(OperationName.UPSCALE)


def picture(
    channels: int = 3,
    *,
    alpha: bool = False,
    icc: bytes | None = None,
    noise: int = 0,
    size: tuple[int, int] = (24, 40),
) -> Image:
    smooth = np.linspace(20, 220, size[0] * size[1] * channels).reshape(*size, channels)
    if noise:
        smooth = smooth + RNG.integers(0, noise, smooth.shape)
    return Image(
        pixels=smooth.astype(np.uint8),
        alpha=RNG.integers(0, 256, size, np.uint8) if alpha else None,
        icc=icc,
        source_format=ImageFormat.PNG,
        source_size=(size[1], size[0]),
    )


def written(image: Image, form: ImageFormat, **asked: object) -> Encoded:
    return encode(image, form, PictureParameters.model_validate(asked), made_by=MADE_BY)


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

    data = written(image, form).body

    assert data == written(image, form).body
    assert opened(data).format == form.value.upper()
    assert opened(data).size == (40, 24)


@pytest.mark.parametrize("form", [ImageFormat.PNG, ImageFormat.TIFF])
@pytest.mark.parametrize(
    ("channels", "alpha", "mode"),
    [(1, False, "L"), (1, True, "LA"), (3, False, "RGB"), (3, True, "RGBA")],
)
def test_png_and_tiff_keep_every_channel_as_it_is(
    form: ImageFormat, channels: int, mode: str, *, alpha: bool
) -> None:
    image = picture(channels, alpha=alpha)

    stored = opened(written(image, form).body)

    assert stored.mode == mode
    values = np.asarray(stored).reshape(24, 40, -1)
    assert (values[..., :channels] == image.pixels).all()
    if image.alpha is not None:
        assert (values[..., channels] == image.alpha).all()


@pytest.mark.parametrize(("subsampling", "horizontal", "vertical"), [("444", 1, 1), ("420", 2, 2)])
def test_jpeg_halves_its_colours_only_when_asked_to(
    subsampling: str, horizontal: int, vertical: int
) -> None:
    data = written(picture(), ImageFormat.JPEG, subsampling=subsampling).body

    layers = opened(data).layer  # type: ignore[attr-defined] # of Pillow's JPEG class alone
    assert [layer[1:3] for layer in layers] == [(horizontal, vertical), (1, 1), (1, 1)]


def test_avif_halves_its_colours_only_when_asked_to() -> None:
    image = picture(noise=30)

    whole = written(image, ImageFormat.AVIF, quality=90).body
    halved = written(image, ImageFormat.AVIF, quality=90, subsampling="420").body

    assert len(halved) < len(whole)


def test_a_noisy_picture_becomes_a_jpeg_at_the_highest_quality() -> None:
    image = picture(noise=36, size=(700, 700))

    assert opened(written(image, ImageFormat.JPEG, quality=100).body).size == (700, 700)


@pytest.mark.parametrize("form", [ImageFormat.JPEG, ImageFormat.AVIF])
def test_grey_is_written_as_grey(form: ImageFormat) -> None:
    assert opened(written(picture(1), form).body).mode == "L"


@pytest.mark.parametrize("form", [ImageFormat.PNG, ImageFormat.AVIF, ImageFormat.TIFF])
def test_grey_beside_alpha_is_read_as_grey_again(form: ImageFormat) -> None:
    body = written(picture(1, alpha=True), form).body

    assert decode(body, DecodeLimits()).is_grey


def test_a_transparent_picture_is_laid_on_white_for_jpeg_with_a_warning() -> None:
    image = picture()
    clear = Image(
        pixels=np.zeros_like(image.pixels),
        alpha=np.zeros((24, 40), np.uint8),
        icc=None,
        source_format=ImageFormat.PNG,
        source_size=(40, 24),
    )

    encoded = written(clear, ImageFormat.JPEG)

    assert (np.asarray(opened(encoded.body)) >= 254).all()
    assert encoded.warnings == (Warned.ALPHA_FLATTENED,)
    assert written(clear, ImageFormat.PNG).warnings == ()


@pytest.mark.parametrize("form", FORMATS)
def test_the_profile_is_always_written(form: ImageFormat) -> None:
    encoded = written(picture(icc=PROFILE), form)

    assert opened(encoded.body).info["icc_profile"] == PROFILE
    assert encoded.warnings == ()
    assert "icc_profile" not in opened(written(picture(), form).body).info


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("alpha", [False, True])
def test_a_grey_profile_is_written_beside_grey_pixels_alone(
    form: ImageFormat, *, alpha: bool
) -> None:
    encoded = written(picture(1, alpha=alpha, icc=GREY_PROFILE), form)

    stored = opened(encoded.body)
    if stored.mode in {"L", "LA"}:
        assert stored.info["icc_profile"] == GREY_PROFILE
    else:
        assert "icc_profile" not in stored.info
        assert Warned.PROFILE_UNUSABLE in encoded.warnings


@pytest.mark.parametrize("form", [ImageFormat.JPEG, ImageFormat.WEBP, ImageFormat.AVIF])
def test_quality_is_as_asked(form: ImageFormat) -> None:
    image = picture(noise=30)

    low, usual, high = (
        len(written(image, form, **asked).body) for asked in ({"quality": 30}, {}, {"quality": 100})
    )

    assert low < usual < high


@pytest.mark.parametrize("form", [ImageFormat.JPEG, ImageFormat.WEBP, ImageFormat.AVIF])
def test_the_best_quality_that_fits_is_found_for_a_target(form: ImageFormat) -> None:
    image = picture(noise=36, size=(96, 96))
    sizes = {
        quality: len(written(image, form, quality=quality).body) for quality in range(20, 81, 4)
    }
    target = max(1_000, sizes[40])

    encoded = written(image, form, target_bytes=target, quality=80)

    assert encoded.warnings == ()
    assert len(encoded.body) <= target
    assert len(encoded.body) >= max(size for size in sizes.values() if size <= target)


@pytest.mark.parametrize("form", FORMATS)
def test_a_target_that_cannot_be_reached_is_warned_of(form: ImageFormat) -> None:
    image = picture(noise=36, size=(160, 160))

    encoded = written(image, form, target_bytes=1_000)

    assert encoded.warnings == (Warned.TARGET_NOT_REACHED,)
    if form in {ImageFormat.PNG, ImageFormat.TIFF}:
        assert encoded.body == written(image, form).body
    else:
        assert encoded.body == written(image, form, quality=LOWEST_QUALITY).body


def test_what_fits_at_once_is_not_made_smaller() -> None:
    image = picture()

    encoded = written(image, ImageFormat.JPEG, target_bytes=1 << 20)

    assert encoded == written(image, ImageFormat.JPEG)


def test_a_search_for_a_target_can_be_ended_between_its_attempts() -> None:
    attempts = list[None]()

    def interrupt() -> None:
        attempts.append(None)
        if len(attempts) > 1:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        encode(
            picture(noise=36, size=(160, 160)),
            ImageFormat.JPEG,
            PictureParameters(target_bytes=1_000),
            made_by=MADE_BY,
            before_attempt=interrupt,
        )


def test_patterns_that_repeat_are_found_in_png() -> None:
    tile = RNG.integers(0, 256, (8, 8, 3), np.uint8)
    tiled = Image(np.tile(tile, (32, 32, 1)), None, None, ImageFormat.PNG, (256, 256))

    assert len(written(tiled, ImageFormat.PNG).body) < tiled.pixels.nbytes / 20


@pytest.mark.parametrize(
    ("form", "side"),
    [(ImageFormat.WEBP, 16_384), (ImageFormat.AVIF, 32_769), (ImageFormat.JPEG, 65_501)],
)
def test_a_side_that_the_format_cannot_hold_is_refused(form: ImageFormat, side: int) -> None:
    long = Image(np.zeros((1, side, 1), np.uint8), None, None, ImageFormat.PNG, (side, 1))

    with pytest.raises(ImageTooLarge, match="ask for png"):
        written(long, form)


@pytest.mark.parametrize(
    ("form", "alpha", "size"),
    [(ImageFormat.WEBP, True, (9_000, 5_000)), (ImageFormat.WEBP, False, (10_000, 9_100))],
)
def test_more_pixels_than_the_format_is_written_of_are_refused(
    form: ImageFormat, size: tuple[int, int], *, alpha: bool
) -> None:
    # Seen as that large, without being so in memory.
    pixels = np.broadcast_to(np.zeros(1, np.uint8), (*size, 1))
    image = Image(pixels, pixels[..., 0] if alpha else None, None, ImageFormat.PNG, size[::-1])

    with pytest.raises(ImageTooLarge, match="ask for png"):
        written(image, form)


def test_every_format_has_a_media_type_and_an_extension() -> None:
    assert set(MEDIA_TYPES) == set(EXTENSIONS) == set(ImageFormat)
