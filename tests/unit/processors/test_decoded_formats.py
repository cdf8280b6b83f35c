"""BMP, TIFF, GIF, HEIC and AVIF come out as they went in, with what was lost told."""

import io
import struct
import time

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image as Pillow
from PIL import ImageCms

from processors.images.decode import decode
from processors.images.errors import ImageTooLarge, TruncatedImage, UnsupportedFormat
from processors.images.image import Image
from processors.images.limits import DecodeLimits
from schemas.operations import ImageFormat
from schemas.warnings import Warned
from tests.hostile import heif
from tests.hostile.corpus import in_lab, photograph, png

RGB = photograph(1)
RNG = np.random.default_rng(2)
ORIENTATION, MODEL = 0x0112, 0x0110


def saved(picture: Pillow.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def decoded(data: bytes) -> Image:
    return decode(data, DecodeLimits())


def rounded(levels: npt.NDArray[np.integer], most: int) -> npt.NDArray[np.integer]:
    result: npt.NDArray[np.integer] = (levels.astype(np.int64) * 255 + most // 2) // most
    return result


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("TIFF", {"compression": "packbits"}),
    ],
)
def test_a_lossless_format_comes_out_as_it_went_in(form: str, options: dict[str, object]) -> None:
    image = decoded(saved(Pillow.fromarray(RGB), form, **options))

    assert (image.pixels == RGB).all()
    assert image.source_format is ImageFormat(form.lower())
    assert image.warnings == ()


def test_an_avif_comes_out_much_as_it_went_in() -> None:
    smooth = np.asarray(Pillow.fromarray(RGB).resize((6, 6)).resize((48, 48)))

    image = decoded(saved(Pillow.fromarray(smooth), "AVIF", quality=100, subsampling="4:4:4"))

    assert np.abs(image.pixels.astype(int) - smooth).max() <= 3
    assert image.source_format is ImageFormat.AVIF


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_a_grey_avif_stays_grey(mode: str) -> None:
    channels = RGB[..., 0] if mode == "L" else np.ascontiguousarray(RGB[..., :2])
    grey = Pillow.fromarray(channels)

    image = decoded(saved(grey, "AVIF", quality=100, subsampling="4:0:0"))

    assert image.is_grey
    assert (image.alpha is None) == (mode == "L")
    assert np.abs(image.pixels[..., 0].astype(int) - np.asarray(grey.getchannel("L"))).max() <= 3


def test_an_avif_of_grey_in_colours_stays_one_of_colours() -> None:
    grey = Pillow.fromarray(RGB).convert("L").convert("RGB")

    assert not decoded(saved(grey, "AVIF", subsampling="4:4:4")).is_grey


def test_a_gif_comes_out_as_its_palette_had_it() -> None:
    palette = Pillow.fromarray(RGB).quantize(32)

    image = decoded(saved(palette, "GIF"))

    assert (image.pixels == np.asarray(palette.convert("RGB"))).all()
    assert image.alpha is None


def test_a_transparent_colour_of_a_gif_becomes_alpha() -> None:
    palette = Pillow.fromarray(RGB).quantize(32)

    image = decoded(saved(palette, "GIF", transparency=3, optimize=False))

    assert image.alpha is not None
    assert ((image.alpha == 0) == (np.asarray(palette) == 3)).all()


def test_a_heic_comes_out_as_it_went_in() -> None:
    image = decoded(heif.file_of([heif.coded(RGB.astype(int))]))

    assert (image.pixels == RGB).all()
    assert image.source_format is ImageFormat.HEIC
    assert image.warnings == ()


def test_a_grey_heic_stays_grey() -> None:
    image = decoded(heif.file_of([heif.coded(RGB[..., 0].astype(int))]))

    assert image.is_grey
    assert (image.pixels[..., 0] == RGB[..., 0]).all()


def test_a_heic_in_parts_is_put_together() -> None:
    parts = heif.grid(RGB[:40, :45].astype(int), 16)

    image = decoded(heif.file_of(parts, primary=len(parts)))

    assert (image.pixels == RGB[:40, :45]).all()
    assert image.warnings == ()


def test_the_alpha_of_a_heic_is_kept_apart() -> None:
    alpha = heif.coded(RGB[..., 1].astype(int))
    alpha.properties.append(heif.ALPHA)
    alpha.refers = [(b"auxl", [1])]

    image = decoded(heif.file_of([heif.coded(RGB.astype(int)), alpha]))

    assert (image.pixels == RGB).all()
    assert image.alpha is not None
    assert (image.alpha == RGB[..., 1]).all()


def test_a_heic_is_turned_and_mirrored_once_whatever_its_size_as_stored() -> None:
    wide = RGB[:30]
    picture = heif.coded(wide.astype(int))
    picture.properties += [heif.turned(1), heif.mirrored(1)]

    image = decoded(heif.file_of([picture]))

    assert (image.pixels == np.rot90(wide)[:, ::-1]).all()
    assert image.source_size == (48, 30)


def test_the_orientation_in_a_heics_exif_says_nothing_more() -> None:
    exif = Pillow.Exif()
    exif[ORIENTATION], exif[MODEL] = 6, "A telephone"
    picture = heif.coded(RGB[:30].astype(int))
    picture.properties.append(heif.turned(3))
    about = heif.metadata(exif.tobytes().removeprefix(b"Exif\0\0"), 1)

    image = decoded(heif.file_of([picture, about]))

    assert (image.pixels == np.rot90(RGB[:30], 3)).all()
    assert image.exif is not None
    assert b"A telephone" in image.exif
    assert image.warnings == ()


@pytest.mark.parametrize("form", ["TIFF", "AVIF"])
def test_a_picture_lies_as_its_orientation_says(form: str) -> None:
    exif = Pillow.Exif()
    exif[ORIENTATION] = 6
    wide = np.zeros((32, 48, 3), np.uint8)
    wide[:16] = 200

    image = decoded(saved(Pillow.fromarray(wide), form, exif=exif))

    assert image.source_size == (48, 32)
    assert (image.width, image.height) == (32, 48)
    assert image.pixels[:, 20:].min() > 190
    assert image.pixels[:, :12].max() < 10


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bits_of_a_png_are_rounded(channels: int) -> None:
    levels = RNG.integers(0, 65536, (9, 7, channels)).astype(">u2")
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    colours = 1 if channels < 3 else 3

    image = decoded(png(7, 9, 16, kind, b"".join(b"\0" + row.tobytes() for row in levels)))

    assert (image.pixels == rounded(levels[..., :colours], 65535)).all()
    assert image.warnings == (Warned.DEPTH_REDUCED,)
    if channels > colours:
        assert image.alpha is not None
        assert (image.alpha == rounded(levels[..., -1], 65535)).all()


def test_16_bits_of_a_tiff_are_rounded() -> None:
    levels = RNG.integers(0, 65536, (9, 7), dtype=np.uint16)

    image = decoded(saved(Pillow.fromarray(levels), "TIFF"))

    assert (image.pixels[..., 0] == rounded(levels, 65535)).all()
    assert image.warnings == (Warned.DEPTH_REDUCED,)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bits_of_a_tiff_of_either_byte_order_are_rounded(channels: int, order: str) -> None:
    levels = RNG.integers(0, 65536, (9, 7, channels), dtype=np.uint16)

    image = decoded(deep_tiff(levels, order))

    assert (image.pixels == rounded(levels[..., :3], 65535)).all()
    assert image.warnings == (Warned.DEPTH_REDUCED,)
    if channels > 3:
        assert image.alpha is not None
        assert (image.alpha == rounded(levels[..., 3], 65535)).all()


UNMULTIPLIED, MULTIPLIED = 2, 1


def deep_tiff(
    levels: npt.NDArray[np.uint16], order: str = "<", alpha: int = UNMULTIPLIED, planes: int = 1
) -> bytes:
    """Return a TIFF of 16 bits; `planes` is 2 where the channels are to stand one after another."""
    height, width, channels = levels.shape
    body = (np.moveaxis(levels, 2, 0) if planes > 1 else levels).astype(f"{order}u2").tobytes()
    parts = channels if planes > 1 else 1
    places = struct.pack(f"{order}{parts}I", *range(36, 36 + len(body), len(body) // parts))
    lengths = struct.pack(f"{order}{parts}I", *[len(body) // parts] * parts)
    after = 36 + len(body)
    fields = [
        (256, 3, 1, width),
        (257, 3, 1, height),
        (258, 3, channels, 8 if channels > 1 else 16),
        (259, 3, 1, 1),
        (262, 3, 1, 2 if channels > 2 else 1),
        (273, 4, parts, after if parts > 1 else 36),
        (277, 3, 1, channels),
        (278, 3, 1, height),
        (279, 4, parts, after + 4 * parts if parts > 1 else len(body)),
        (284, 3, 1, planes),
        *([(338, 3, 1, alpha)] if channels == 4 else []),
    ]
    rows = b"".join(
        struct.pack(f"{order}HHI", *field)
        + struct.pack(f"{order}{'I' if field[1] == 4 or field[2] > 1 else 'Hxx'}", value)
        for *field, value in fields
    )
    at = after + 8 * parts
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", at)
    bits = struct.pack(f"{order}4H", 16, 16, 16, 16)
    count = struct.pack(f"{order}H", len(fields))
    return (head + bits).ljust(36, b"\0") + body + places + lengths + count + rows + bytes(4)


def test_16_bits_multiplied_by_their_alpha_are_divided_by_it_first() -> None:
    straight = RNG.integers(0, 65536, (9, 7, 4), dtype=np.uint16)
    straight[..., 3] = RNG.integers(20_000, 65536, (9, 7))
    levels = straight.astype(np.uint64)
    levels[..., :3] = (levels[..., :3] * levels[..., 3:] + 32767) // 65535

    image = decoded(deep_tiff(levels.astype(np.uint16), alpha=MULTIPLIED))

    assert np.abs(image.pixels.astype(int) - rounded(straight[..., :3], 65535)).max() <= 1
    assert image.alpha is not None
    assert (image.alpha == rounded(straight[..., 3], 65535)).all()


def test_16_bits_with_the_channels_apart_are_refused_and_not_scrambled() -> None:
    levels = RNG.integers(0, 65536, (9, 7, 3), dtype=np.uint16)

    with pytest.raises(UnsupportedFormat, match="apart"):
        decoded(deep_tiff(levels, planes=2))


@pytest.mark.parametrize("alpha", [False, True])
def test_a_large_webp_comes_out_as_a_small_one_does(*, alpha: bool) -> None:
    large = Pillow.fromarray(RGB).resize((2_100, 2_000))
    if alpha:
        large.putalpha(large.getchannel(1))
    exif = Pillow.Exif()
    exif[ORIENTATION], exif[MODEL] = 6, "a camera"
    data = saved(large, "WEBP", method=0, quality=50, exif=exif)

    image = decoded(data)

    with Pillow.open(io.BytesIO(data)) as plain:
        there = np.rot90(np.asarray(plain), -1)
    assert (image.pixels == there[..., :3]).all()
    assert (image.alpha is not None) == alpha
    assert image.alpha is None or (image.alpha == there[..., 3]).all()
    assert b"a camera" in (image.exif or b"")


@pytest.mark.parametrize("bits", [10, 12])
def test_the_bits_of_a_heic_are_rounded(bits: int) -> None:
    levels = RNG.integers(0, 1 << bits, (20, 30, 3))

    image = decoded(heif.file_of([heif.coded(levels, bits)]))

    assert (image.pixels == rounded(levels, (1 << bits) - 1)).all()
    assert image.warnings == (Warned.DEPTH_REDUCED,)


@pytest.mark.parametrize("bits", [10, 12])
def test_an_avif_of_more_bits_is_reduced(bits: int) -> None:
    even = np.full((32, 32, 3), 200 << (bits - 8), np.uint16)
    _, data = cv2.imencode(".avif", even, [cv2.IMWRITE_AVIF_DEPTH, bits])

    image = decoded(data.tobytes())

    assert np.abs(image.pixels.astype(int) - 200).max() <= 2
    assert image.warnings == (Warned.DEPTH_REDUCED,)


def test_a_bmp_in_runs_is_read_and_one_that_is_cut_is_truncated() -> None:
    side = 16
    palette = b"".join(bytes([n, 255 - n, n // 2, 0]) for n in range(256))
    runs = b"".join(bytes([side, row, 0, 0]) for row in range(side)) + b"\0\1"
    head = struct.pack(
        "<IHHIIiiHHIIiiII", 0, 0, 0, 54 + 1024, 40, side, side, 1, 8, 1, len(runs), 0, 0, 256, 0
    )
    data = b"BM" + head + palette + runs

    assert (decoded(data).pixels[-1, 0] == (0, 255, 0)).all()
    assert (decoded(data).pixels[:, 5, 1] == np.arange(240, 256)).all()
    with pytest.raises(TruncatedImage):
        decoded(data[:-20])


def test_a_bmp_in_runs_of_one_pixel_each_takes_no_second_a_megapixel() -> None:
    side, runs = 1_500, bytes([1, 7]) * 1_500 + b"\0\0"
    head = struct.pack(
        "<IHHIIiiHHIIiiII", 0, 0, 0, 54 + 1024, 40, side, side, 1, 8, 1, 0, 0, 0, 256, 0
    )
    grey = b"".join(bytes([n, n, n, 0]) for n in range(256))
    started = time.process_time()

    image = decoded(b"BM" + head + grey + runs * side + b"\0\1")

    assert image.is_grey
    assert (image.pixels == 7).all()
    assert time.process_time() - started < 1


def test_cielab_becomes_srgb() -> None:
    image = decoded(saved(in_lab(Pillow.fromarray(RGB)), "TIFF"))

    assert np.abs(image.pixels.astype(int) - RGB).mean() < 2
    assert image.icc is None


def test_cmyk_without_a_profile_is_told() -> None:
    image = decoded(saved(Pillow.fromarray(RGB).convert("CMYK"), "TIFF"))

    assert image.warnings == (Warned.PROFILE_MISSING,)


def test_a_profile_of_another_space_is_left_out_and_told() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    grey = Pillow.fromarray(RGB[..., 0])

    image = decoded(saved(grey, "TIFF", icc_profile=profile))

    assert image.icc is None
    assert image.warnings == (Warned.PROFILE_UNUSABLE,)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "AVIF", "TIFF", "MPO"])
def test_of_several_pictures_the_first_is_decoded_and_that_is_told(form: str) -> None:
    frames = [Pillow.new("RGB", (16, 16), (value, 0, 0)) for value in (200, 100, 50)]

    image = decoded(saved(frames[0], form, save_all=True, append_images=frames[1:]))

    assert abs(int(image.pixels[0, 0, 0]) - 200) <= 4
    assert image.warnings == (Warned.FIRST_FRAME_ONLY,)


@pytest.mark.parametrize("size", [(1, 1000), (1000, 1), (1, 1), (3, 2)])
def test_long_thin_pictures_are_read(size: tuple[int, int]) -> None:
    image = decoded(saved(Pillow.new("L", size), "BMP"))

    assert (image.width, image.height) == size


def test_a_thread_of_pixels_is_refused() -> None:
    with pytest.raises(ImageTooLarge, match="1000 times"):
        decoded(saved(Pillow.new("L", (1, 2000)), "PNG"))


def test_a_cut_jpeg_with_a_whole_thumbnail_is_truncated() -> None:
    whole = saved(Pillow.fromarray(RGB), "JPEG", progressive=True)
    thumbnail = b"\xff\xe1" + (len(whole) + 2).to_bytes(2) + whole
    data = whole[:2] + thumbnail + whole[2:]

    assert decoded(data).width == 48
    with pytest.raises(TruncatedImage):
        decoded(data[: data.rindex(b"\xff\xda")])
