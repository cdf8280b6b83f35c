"""Header facts agree with Pillow's, whatever precedes them in the file."""

import io
import struct
import sys
import zlib
from subprocess import run

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from processors.images.header import MAX_BYTES, MAX_RANGES, ImageHeader, read_header
from schemas.operations import ImageFormat
from tests.hostile import heif


class Bytes:
    """An object whose fetches are counted and checked."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.ranges: list[tuple[int, int]] = []

    def fetch(self, start: int, end: int) -> bytes:
        assert 0 <= start < end <= len(self.data)
        self.ranges.append((start, end))
        return self.data[start:end]

    def header(self) -> ImageHeader:
        try:
            return read_header(self.fetch, len(self.data))
        finally:
            assert len(self.ranges) <= MAX_RANGES
            assert sum(end - start for start, end in self.ranges) <= MAX_BYTES


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunks(png: bytes, *chunks: bytes) -> bytes:
    return png[:33] + b"".join(chunks) + png[33:]


JPEG = encoded(Image.new("RGB", (640, 480), "red"), "JPEG")
THUMBNAIL = encoded(Image.new("RGB", (160, 120), "blue"), "JPEG")
PNG = encoded(Image.new("RGB", (31, 17), "red"), "PNG")

modes = {
    "JPEG": ["RGB", "L", "CMYK"],
    "PNG": ["RGB", "L", "RGBA", "LA", "P", "1", "I;16"],
    "WEBP": ["RGB", "RGBA"],
    "AVIF": ["RGB", "RGBA", "L"],
    "BMP": ["RGB", "L", "P", "1"],
    "GIF": ["RGB", "L", "P", "RGBA"],
    "TIFF": ["RGB", "L", "RGBA", "LA", "P", "1", "I;16", "CMYK"],
}
ORIENTED = ("JPEG", "PNG", "WEBP")


@st.composite
def pictures(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from(sorted(modes)))
    mode = draw(st.sampled_from(modes[kind]))
    image = Image.new(mode, (draw(st.integers(1, 300)), draw(st.integers(1, 300))))
    if image.mode == "RGBA":
        image.putpixel((0, 0), (9, 9, 9, 9))
    options: dict[str, object] = {}
    if kind == "JPEG":
        options = {"progressive": draw(st.booleans()), "optimize": draw(st.booleans())}
    if kind == "WEBP":
        options = {"lossless": draw(st.booleans()), "method": 0}
    if kind == "AVIF":
        options = {"speed": 10}
    if kind == "TIFF":
        options = {"compression": draw(st.sampled_from([None, "tiff_deflate"]))}
    if draw(st.booleans()):
        options["icc_profile"] = b"p" * draw(st.sampled_from([1, 3000, 200_000]))
    if kind in ORIENTED and draw(st.booleans()):
        exif = Image.Exif()
        exif[0x0112] = draw(st.integers(1, 8))
        options["exif"] = exif
    return encoded(image, kind, **options)


@settings(max_examples=150, deadline=None)
@given(pictures())
def test_facts_agree_with_pillow(data: bytes) -> None:
    header = Bytes(data).header()
    with Image.open(io.BytesIO(data)) as image:
        assert (header.width, header.height) == image.size
        assert image.format == header.format.value.upper()
        assert header.has_alpha == image.has_transparency_data
    assert header.frames_hint == 1


def test_dimensions_are_those_before_orientation() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(Image.new("RGB", (40, 20)), "JPEG", exif=exif)
    header = Bytes(turned).header()
    assert (header.width, header.height) == (40, 20)


def test_a_thumbnail_in_the_exif_is_not_the_picture() -> None:
    data = with_segments(JPEG, segment(0xE1, b"Exif\0\0" + THUMBNAIL))
    header = Bytes(data).header()
    assert (header.width, header.height) == (640, 480)


def test_a_small_picture_takes_one_range() -> None:
    source = Bytes(JPEG)
    source.header()
    assert source.ranges == [(0, len(JPEG))]


@pytest.mark.parametrize("profile_segments", [1, 8, 110])
def test_full_segments_of_metadata_are_stepped_over(profile_segments: int) -> None:
    full = b"\xff\xc0" * 32766
    data = with_segments(
        JPEG, segment(0xE1, full), *[segment(0xE2, full) for _ in range(profile_segments)]
    )
    header = Bytes(data).header()
    assert (header.width, header.height) == (640, 480)


def test_fill_bytes_before_a_marker_are_skipped() -> None:
    header = Bytes(with_segments(JPEG, b"\xff\xff\xff" + segment(0xFE, b"hello"))).header()
    assert (header.width, header.height) == (640, 480)


def test_the_largest_dimensions_of_jpeg_are_read() -> None:
    at = JPEG.index(b"\xff\xc0")
    data = JPEG[: at + 5] + b"\xff\xff\xff\xff" + JPEG[at + 9 :]
    header = Bytes(data).header()
    assert (header.width, header.height) == (65535, 65535)


def test_a_transparent_colour_after_much_metadata_is_alpha() -> None:
    transparent = with_chunks(
        PNG, png_chunk(b"iTXt", bytes(3_000_000)), png_chunk(b"tRNS", bytes(6))
    )
    source = Bytes(transparent)
    assert source.header().has_alpha
    assert len(source.ranges) == 2


def test_a_transparent_colour_out_of_reach_counts_as_none() -> None:
    far = [png_chunk(b"iTXt", bytes(300_000))] * 12
    header = Bytes(with_chunks(PNG, *far, png_chunk(b"tRNS", bytes(6)))).header()
    assert header == ImageHeader(ImageFormat.PNG, 31, 17, has_alpha=False)


def test_a_gif_with_megabytes_of_xmp_before_its_image_is_read() -> None:
    gif = encoded(Image.new("RGB", (31, 17)), "GIF")
    at = gif.index(b",")
    # As Adobe writes it: raw text, then bytes that lead whoever takes text for lengths to its end.
    trailer = b"\1" + bytes(range(255, -1, -1)) + b"\0"
    xmp = b"\x21\xff\x0bXMP DataXMP" + b"<x>ab " * 300_000 + trailer
    header = Bytes(gif[:at] + xmp + gif[at:]).header()
    assert (header.width, header.height) == (31, 17)


def test_a_transparent_palette_is_alpha() -> None:
    image = Image.new("P", (5, 5))
    assert Bytes(encoded(image, "PNG", transparency=0)).header().has_alpha


def test_an_animated_png_tells_its_frames() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    data = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])
    assert Bytes(data).header().frames_hint == 3


def test_an_animated_webp_has_more_than_one_frame() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    data = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    assert Bytes(data).header().frames_hint == 2


def test_text_in_a_png_is_stepped_over() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", "IDAT tRNS" * 50_000)
    data = encoded(Image.new("RGB", (31, 17)), "PNG", pnginfo=info)
    assert Bytes(data).header() == ImageHeader(ImageFormat.PNG, 31, 17, has_alpha=False)


def test_the_parser_loads_no_imaging_library() -> None:
    code = (
        "import sys, processors.images.header;"
        "print([m for m in ('PIL', 'numpy', 'torch', 'cv2') if m in sys.modules])"
    )
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - our own interpreter
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("form", ["GIF", "TIFF", "AVIF"])
def test_more_than_one_picture_is_told(form: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    again = {"loop": 0} if form == "GIF" else {}
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:], **again)
    assert Bytes(data).header().frames_hint == 2


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("far", [8, 40_000, 3_000_000])
def test_a_tiffs_first_directory_is_found_wherever_it_lies(order: str, far: int) -> None:
    fields = [(256, 4, 70_000), (257, 3, 5), (258, 3, 8), (262, 3, 1)]
    body = struct.pack(f"{order}H", len(fields))
    for tag, kind, value in fields:
        room = struct.pack(f"{order}I" if kind == 4 else f"{order}H", value).ljust(4, b"\0")
        body += struct.pack(f"{order}HHI", tag, kind, 1) + room
    start = b"II*\0" if order == "<" else b"MM\0*"
    data = (start + struct.pack(f"{order}I", far)).ljust(far, b"\0") + body + bytes(4)
    source = Bytes(data)
    header = source.header()
    assert (header.format, header.width, header.height) == (ImageFormat.TIFF, 70_000, 5)
    assert len(source.ranges) <= 2


@pytest.mark.parametrize("values", [8, 2_000_000])
def test_a_tiffs_values_may_lie_far_before_its_directory(values: int) -> None:
    fields = [(256, 4, 1, 70), (257, 4, 1, 50), (258, 3, 3, values), (262, 3, 1, 2)]
    fields += [(277, 3, 1, 3), (339, 3, 3, values + 6)]
    rows = b"".join(struct.pack("<HHII", *field) for field in fields)
    data = bytearray(3_000_000) + struct.pack("<H", len(fields)) + rows + bytes(4)
    data[:8] = b"II*\0" + struct.pack("<I", 3_000_000)
    data[values : values + 12] = struct.pack("<6H", 16, 16, 16, 1, 1, 1)
    source = Bytes(bytes(data))
    assert source.header() == ImageHeader(ImageFormat.TIFF, 70, 50, has_alpha=False, depth=16)
    assert sum(end - start for start, end in source.ranges) < 400_000


def test_bits_a_channel_are_told() -> None:
    rgb = np.zeros((16, 16, 3), int)
    for data, depth in (
        (encoded(Image.new("I;16", (3, 3)), "PNG"), 16),
        (encoded(Image.new("I;16", (3, 3)), "TIFF"), 16),
        (heif.file_of([heif.coded(rgb, 10)]), 10),
        (heif.file_of([heif.coded(rgb, 8)]), 8),
    ):
        assert Bytes(data).header().depth == depth


def test_a_heic_tells_its_size_as_stored_and_that_it_is_turned() -> None:
    picture = heif.coded(np.zeros((20, 30, 3), int))
    picture.properties += [heif.turned(3), heif.mirrored(0)]
    alpha = heif.coded(np.zeros((20, 30), int))
    alpha.properties.append(heif.ALPHA)
    alpha.refers = [(b"auxl", [1])]
    assert Bytes(heif.file_of([picture, alpha])).header() == ImageHeader(
        ImageFormat.HEIC, 30, 20, has_alpha=True, quarter_turned=True
    )


def test_a_heic_of_many_parts_is_as_large_as_their_whole() -> None:
    parts = heif.grid(np.zeros((100, 170, 3), int), 16)
    header = Bytes(heif.file_of(parts, primary=len(parts))).header()
    assert (header.width, header.height, header.has_alpha) == (170, 100, False)


def test_a_heic_is_as_large_as_what_is_left_of_it() -> None:
    picture = heif.coded(np.zeros((20, 30, 3), int))
    picture.properties.append(heif.cropped(10, 8))
    header = Bytes(heif.file_of([picture])).header()
    assert (header.width, header.height) == (10, 8)


def test_a_gif_is_as_large_as_its_first_image_where_that_is_larger_than_the_screen() -> None:
    data = bytearray(encoded(Image.new("L", (40, 30)), "GIF"))
    data[6:10] = struct.pack("<HH", 10, 10)
    header = Bytes(bytes(data)).header()
    assert (header.width, header.height) == (40, 30)


def test_a_bmp_with_rows_from_the_top_down_has_a_height() -> None:
    data = bytearray(encoded(Image.new("L", (4, 3)), "BMP"))
    data[22:26] = struct.pack("<i", -3)
    header = Bytes(bytes(data)).header()
    assert (header.width, header.height) == (4, 3)
