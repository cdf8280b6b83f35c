"""Whatever channels a file stores, the decoded picture is upright 8-bit grey or RGB."""

import io
import struct
import zlib

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image as Pillow
from PIL import ImageCms

from processors.images.decode import decode
from processors.images.errors import (
    EmptyFile,
    FileTooLarge,
    ImageRefused,
    ImageTooLarge,
    TooManyFrames,
    TruncatedImage,
    UnreadableImage,
    UnsupportedFormat,
)
from processors.images.image import Image
from processors.images.limits import DecodeLimits
from schemas.operations import ImageFormat
from schemas.warnings import Warned

ORIENTATION = 0x0112
GPS = 0x8825
RNG = np.random.default_rng(3)


def saved(picture: Pillow.Image, form: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def decoded(data: bytes, **limits: int) -> Image:
    return decode(data, DecodeLimits(**limits))


def colours(height: int = 12, width: int = 20) -> npt.NDArray[np.uint8]:
    return RNG.integers(0, 256, (height, width, 3), np.uint8)


def png(size: tuple[int, int], depth: int, kind: int, rows: bytes, *, extra: bytes = b"") -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", *size, depth, kind, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def test_rgb_comes_out_as_it_went_in() -> None:
    pixels = colours()

    image = decoded(saved(Pillow.fromarray(pixels)))

    assert (image.pixels == pixels).all()
    assert image.alpha is None
    assert image.icc is None
    assert image.source_format is ImageFormat.PNG
    assert image.source_size == (20, 12)


def test_grey_stays_grey() -> None:
    grey = colours()[..., 0]

    image = decoded(saved(Pillow.fromarray(grey), "JPEG", quality=100))

    assert image.is_grey
    assert image.source_format is ImageFormat.JPEG
    assert np.abs(image.pixels[..., 0].astype(int) - grey).max() <= 2


def test_one_bit_is_black_and_white() -> None:
    bits = Pillow.fromarray(np.eye(9, dtype=np.uint8) * 255).convert("1")

    image = decoded(saved(bits))

    assert (image.pixels[..., 0] == np.eye(9) * 255).all()


def test_alpha_is_kept_apart() -> None:
    pixels = np.dstack([colours(), RNG.integers(0, 256, (12, 20), np.uint8)])

    for form, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True})):
        image = decoded(saved(Pillow.fromarray(pixels), form, **options))
        assert (image.pixels == pixels[..., :3]).all()
        assert image.alpha is not None
        assert (image.alpha == pixels[..., 3]).all()


def test_grey_with_alpha_keeps_one_channel_of_colour() -> None:
    pixels = np.dstack([colours()[..., 0], colours()[..., 0]])

    image = decoded(saved(Pillow.fromarray(pixels)))

    assert image.is_grey
    assert (image.pixels[..., 0] == pixels[..., 0]).all()
    assert image.alpha is not None
    assert (image.alpha == pixels[..., 1]).all()


def test_a_palette_is_expanded() -> None:
    palette = Pillow.fromarray(colours()).quantize(16)

    image = decoded(saved(palette))

    assert (image.pixels == np.asarray(palette.convert("RGB"))).all()


def test_a_transparent_palette_colour_becomes_alpha() -> None:
    palette = Pillow.fromarray(colours()).quantize(16)
    index = np.asarray(palette)

    image = decoded(saved(palette, transparency=3))

    assert image.alpha is not None
    assert ((image.alpha == 0) == (index == 3)).all()


def test_16_bit_grey_is_reduced_to_the_nearest_of_8() -> None:
    levels = np.linspace(0, 65535, 240).astype(">u2").reshape(12, 20)
    rows = b"".join(b"\0" + row.tobytes() for row in levels)

    image = decoded(png((20, 12), 16, 0, rows))

    assert (image.pixels[..., 0] == np.rint(levels / 257)).all()


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_transparent_level_of_few_bits_becomes_alpha(depth: int) -> None:
    levels = np.arange(16 * 8).reshape(8, 16) % (1 << depth)
    each = (levels[..., np.newaxis] >> np.arange(depth - 1, -1, -1)) & 1
    packed = np.packbits(each.astype(np.uint8).reshape(8, -1), axis=1)
    rows = b"".join(b"\0" + row.tobytes() for row in packed)
    body = struct.pack(">H", 1)
    trns = struct.pack(">I", 2) + b"tRNS" + body + struct.pack(">I", zlib.crc32(b"tRNS" + body))

    image = decoded(png((16, 8), depth, 0, rows, extra=trns))

    assert image.alpha is not None
    assert ((image.alpha == 0) == (levels == 1)).all()
    assert (image.pixels[..., 0] == levels * 255 // ((1 << depth) - 1)).all()


def test_16_bit_grey_with_a_transparent_level_has_alpha() -> None:
    levels = np.arange(240).astype(">u2").reshape(12, 20)
    rows = b"".join(b"\0" + row.tobytes() for row in levels)
    body = struct.pack(">H", 7)
    trns = struct.pack(">I", 2) + b"tRNS" + body + struct.pack(">I", zlib.crc32(b"tRNS" + body))

    image = decoded(png((20, 12), 16, 0, rows, extra=trns))

    assert image.alpha is not None
    assert ((image.alpha == 0) == (levels == 7)).all()


def test_16_bit_colour_is_reduced_to_8() -> None:
    levels = RNG.integers(0, 65536, (12, 20, 3)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in levels)

    image = decoded(png((20, 12), 16, 2, rows))

    assert np.abs(image.pixels.astype(float) - levels / 257).max() <= 1


def test_cmyk_without_profile_is_converted_to_rgb() -> None:
    ink = Pillow.new("CMYK", (16, 16), (0, 255, 255, 0))

    image = decoded(saved(ink, "JPEG", quality=100))

    assert image.pixels.shape == (16, 16, 3)
    red, green, blue = image.pixels.reshape(-1, 3).mean(axis=0)
    assert red > 250
    assert max(green, blue) < 5


def test_cmyk_with_a_profile_that_does_not_work_is_still_converted() -> None:
    broken = b"\0" * 16 + b"CMYK" + b"\0" * 200
    ink = Pillow.new("CMYK", (16, 16), (0, 255, 255, 0))

    image = decoded(saved(ink, "JPEG", quality=100, icc_profile=broken))

    assert image.pixels[0, 0, 0] > 250
    assert image.icc is None


def test_the_colour_profile_is_kept_where_it_describes_the_pixels() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    pixels = colours()

    assert decoded(saved(Pillow.fromarray(pixels), icc_profile=profile)).icc == profile
    grey = saved(Pillow.fromarray(pixels[..., 0]), icc_profile=profile)
    assert decoded(grey).icc is None


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_picture_is_turned_the_way_its_exif_says(form: str, orientation: int) -> None:
    quarters = np.zeros((32, 48, 3), np.uint8)
    quarters[:16, :24] = (255, 0, 0)
    quarters[:16, 24:] = (0, 255, 0)
    exif = Pillow.Exif()
    exif[ORIENTATION] = orientation
    exif.get_ifd(GPS)[1] = "N"
    data = saved(Pillow.fromarray(quarters), form, exif=exif.tobytes(), quality=100)

    image = decoded(data)

    assert image.source_size == (48, 32)
    assert (image.width, image.height) == ((48, 32) if orientation < 5 else (32, 48))
    red, green = {
        1: ("top left", "top right"),
        2: ("top right", "top left"),
        3: ("bottom right", "bottom left"),
        4: ("bottom left", "bottom right"),
        5: ("top left", "bottom left"),
        6: ("top right", "bottom right"),
        7: ("bottom right", "top right"),
        8: ("bottom left", "top left"),
    }[orientation]
    assert at(image, red).argmax() == 0
    assert at(image, green).argmax() == 1


def at(image: Image, corner: str) -> npt.NDArray[np.uint8]:
    vertical, horizontal = corner.split()
    row = 4 if vertical == "top" else image.height - 5
    column = 4 if horizontal == "left" else image.width - 5
    found: npt.NDArray[np.uint8] = image.pixels[row, column]
    return found


def test_of_an_animation_the_first_frame_is_decoded() -> None:
    frames = [Pillow.new("RGB", (8, 8), (value, 0, 0)) for value in (200, 100, 50)]
    data = saved(
        frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True, duration=50
    )

    assert (decoded(data).pixels[0, 0] == (200, 0, 0)).all()
    with pytest.raises(TooManyFrames):
        decoded(data, frames=2)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", EmptyFile),
        (b"This is a text, not a picture.\n" * 20, UnreadableImage),
        (saved(Pillow.new("RGB", (8, 8)), "ICO"), UnsupportedFormat),
        (saved(Pillow.new("F", (8, 8)), "TIFF"), UnsupportedFormat),
        (png((30_000, 30_000), 8, 2, b"\0" * 100), ImageTooLarge),
        (png((50_000, 10), 8, 2, b"\0" * 100), ImageTooLarge),
        (png((20, 12), 8, 2, b"\0" * 100), ImageRefused),
    ],
    ids=["empty", "text", "icon", "floats", "bomb", "too wide", "rows missing"],
)
def test_what_is_no_fit_picture_is_refused_with_its_code(
    data: bytes, error: type[ImageRefused]
) -> None:
    with pytest.raises(error):
        decoded(data)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9, 0.99])
def test_a_file_cut_off_is_truncated_wherever_it_ends(form: str, kept: float) -> None:
    whole = saved(Pillow.fromarray(colours(120, 160)), form)

    with pytest.raises(TruncatedImage):
        decoded(whole[: int(len(whole) * kept)])


def test_a_progressive_jpeg_cut_between_its_scans_is_truncated() -> None:
    whole = saved(Pillow.fromarray(colours(120, 160)), "JPEG", progressive=True)
    last_scan = whole.rindex(b"\xff\xda")

    with pytest.raises(TruncatedImage):
        decoded(whole[:last_scan])


def test_a_file_over_the_limit_of_bytes_is_refused() -> None:
    data = saved(Pillow.fromarray(colours()))

    with pytest.raises(FileTooLarge):
        decoded(data, file_bytes=len(data) - 1)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_lost_a_sector_is_read_and_that_is_told(*, progressive: bool) -> None:
    noise = np.random.default_rng(8).integers(0, 256, (200, 200, 3), np.uint8)
    out = io.BytesIO()
    Pillow.fromarray(noise).save(out, "JPEG", progressive=progressive)
    whole = out.getvalue()
    middle = len(whole) // 2

    lost = whole[:middle] + bytes(512) + whole[middle + 512 :]

    assert decode(whole, DecodeLimits()).warnings == ()
    assert decode(lost, DecodeLimits()).warnings == (Warned.DATA_DAMAGED,)
