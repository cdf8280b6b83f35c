"""What is no picture of ours gets a code and a sentence, and never anything worse."""

import contextlib
import io
import struct
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from processors.images.errors import (
    EmptyFile,
    ImageRefused,
    TruncatedImage,
    UnreadableImage,
    UnsupportedFormat,
)
from processors.images.header import read_header
from schemas.errors import ErrorCode
from tests.hostile import heif


def part_of(data: bytes, start: int, end: int) -> bytes:
    return data[start:end]


def read(data: bytes) -> None:
    read_header(partial(part_of, data), len(data))


def encoded(kind: str, mode: str = "RGB", size: tuple[int, int] = (64, 48)) -> bytes:
    out = io.BytesIO()
    Image.effect_noise(size, 50).convert(mode).save(out, kind)
    return out.getvalue()


JPEG, PNG, WEBP = encoded("JPEG"), encoded("PNG"), encoded("WEBP")
SOF = JPEG.index(b"\xff\xc0")


def ftyp(brand: bytes) -> bytes:
    return struct.pack(">I", 24) + b"ftyp" + brand + bytes(12)


UNSUPPORTED = {
    "BigTIFF": b"II+\0\x08\0\0\0" + bytes(16),
    "icon": encoded("ICO"),
    "PDF": encoded("PDF"),
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n",
    "JPEG XL": b"\xff\x0a\xfa\x00",
    "HEIF of the kind mif1": ftyp(b"mif1"),
    "floating-point": encoded("TIFF", "F"),
    "raw": b"II*\0\x10\0\0\0CR\2\0" + bytes(40),
    "video": ftyp(b"isom"),
    "SVG": b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>',
    "Photoshop": b"8BPS\0\1",
    "ZIP": b"PK\x03\x04",
    "12 bits": JPEG[: SOF + 4] + b"\x0c" + JPEG[SOF + 5 :],
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_a_known_format_is_named_in_the_refusal(name: str) -> None:
    with pytest.raises(UnsupportedFormat, match=name) as refusal:
        read(UNSUPPORTED[name])
    assert refusal.value.code is ErrorCode.UNSUPPORTED_FORMAT


def test_no_bytes_are_an_empty_object() -> None:
    with pytest.raises(EmptyFile) as refusal:
        read(b"")
    assert refusal.value.code is ErrorCode.EMPTY_OBJECT


TRUNCATED = {
    "two bytes of a JPEG": JPEG[:2],
    "four bytes of a PNG": PNG[:4],
    "a JPEG before its frame header": JPEG[: SOF - 3],
    "a JPEG within its frame header": JPEG[: SOF + 6],
    "a PNG within its header": PNG[:20],
    "a PNG within its pixels": PNG[:-40],
    "a PNG before its pixels": PNG[:33],
    "a WebP": WEBP[:-1],
    "a WebP's first 20 bytes": WEBP[:20],
}


@pytest.mark.parametrize("data", TRUNCATED.values(), ids=TRUNCATED.keys())
def test_missing_bytes_are_told_as_such(data: bytes) -> None:
    with pytest.raises(TruncatedImage) as refusal:
        read(data)
    assert refusal.value.code is ErrorCode.TRUNCATED_IMAGE


def test_a_store_that_gives_fewer_bytes_than_asked_for_is_a_truncated_image() -> None:
    with pytest.raises(TruncatedImage):
        read_header(partial(part_of, PNG[:20]), len(PNG))


UNREADABLE = {
    "one byte": b"\xff",
    "text": b"hello, this is no picture",
    "web page": b"<!DOCTYPE html><html></html>",
    "zeros": bytes(4096),
    "JPEG without height": JPEG[: SOF + 5] + bytes(2) + JPEG[SOF + 7 :],
    "JPEG with seven components": JPEG[: SOF + 9] + b"\x07" + JPEG[SOF + 10 :],
    "JPEG that scans before its frame": JPEG[:2] + JPEG[JPEG.index(b"\xff\xda") :],
    "JPEG that ends at once": b"\xff\xd8\xff\xd9",
    "JPEG of fill bytes": b"\xff\xd8" + b"\xff" * 5000,
    "JPEG with junk for a segment": b"\xff\xd8\xff\xe0\x00\x04abjunk",
    "JPEG with a segment of one byte": b"\xff\xd8\xff\xe0\x00\x01" + bytes(50),
    "JPEG with endless metadata": b"\xff\xd8" + (b"\xff\xe1\xff\xff" + bytes(65533)) * 140,
    "PNG with a wrong checksum": PNG[:16] + b"\x7f" + PNG[17:],
    "PNG without pixels": PNG[:33] + b"\0\0\0\0IEND\xaeB`\x82",
    "PNG with junk for a chunk": PNG[:33] + b"\0\0\0\0\xff\xff\xff\xff" + PNG[33:],
    "WebP with unknown chunk": b"RIFF\x10\0\0\0WEBPABCD" + bytes(16),
    "WebP without key frame": WEBP[:20] + b"\xff" + WEBP[21:],
}


@pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_is_no_picture_is_unreadable(data: bytes) -> None:
    with pytest.raises(UnreadableImage) as refusal:
        read(data)
    assert refusal.value.code is ErrorCode.UNREADABLE_IMAGE


@pytest.mark.parametrize(
    "crumbs",
    [
        JPEG[:2] + b"\xff\xfe\0\2" * 1_500_000,
        b"GIF89a" + bytes(7) + b"\x21\xfe" + b"\1a" * 3_000_000,
    ],
    ids=["JPEG", "GIF"],
)
def test_metadata_in_crumbs_is_given_up_long_before_its_bytes_are_read(crumbs: bytes) -> None:
    fetched = 0

    def fetch(start: int, end: int) -> bytes:
        nonlocal fetched
        fetched += end - start
        return crumbs[start:end]

    with pytest.raises(UnreadableImage, match="too much"):
        read_header(fetch, len(crumbs))
    assert fetched < 200_000


def test_errors_of_the_fetch_come_through() -> None:
    def fail(start: int, end: int) -> bytes:
        raise ConnectionError(f"{start}-{end}")

    with pytest.raises(ConnectionError):
        read_header(fail, 100)


@given(st.binary(max_size=200), st.sampled_from([b"", JPEG[:2], PNG[:8], b"RIFF", WEBP[:12]]))
def test_arbitrary_bytes_raise_refusals_alone(data: bytes, start: bytes) -> None:
    with contextlib.suppress(ImageRefused):
        read(start + data)


HEIC = heif.file_of([heif.coded(np.zeros((16, 16, 3), int))])
ALL = [JPEG, PNG, WEBP, HEIC, *(encoded(kind) for kind in ("AVIF", "BMP", "GIF", "TIFF"))]


@given(st.sampled_from(ALL), st.data())
def test_damaged_pictures_raise_refusals_alone(picture: bytes, draw: st.DataObject) -> None:
    at = draw.draw(st.integers(0, min(len(picture) - 1, 700)))
    damaged = picture[:at] + draw.draw(st.binary(max_size=4)) + picture[at + 1 :]
    with contextlib.suppress(ImageRefused):
        read(damaged[: draw.draw(st.integers(0, len(damaged)))])


def test_empty_properties_are_refused_or_passed_over() -> None:
    picture = heif.coded(np.zeros((16, 16, 3), int))
    picture.properties += [heif.box(b"irot"), heif.box(b"pixi"), heif.box(b"auxC")]
    read(heif.file_of([picture]))
    picture.properties[1] = heif.box(b"ispe")
    with pytest.raises(UnreadableImage):
        read(heif.file_of([picture]))
