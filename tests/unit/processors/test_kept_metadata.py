"""Of a file's EXIF, camera, exposure, time and author are kept; nothing that tells on anybody."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import TiffImagePlugin

from processors.images.decode import decode
from processors.images.limits import DecodeLimits
from processors.images.metadata import DamagedMetadata, kept
from schemas.warnings import Warned

MAKE, MODEL, ORIENTATION, ARTIST = 0x010F, 0x0110, 0x0112, 0x013B
EXIF, GPS = 0x8769, 0x8825
TIME, EXPOSURE, LENS = 0x9003, 0x829A, 0xA434
MAKER_NOTE, SERIAL, OWNER, COMMENT, UNIQUE = 0x927C, 0xA431, 0xA430, 0x9286, 0xA420


def full_exif() -> Pillow.Exif:
    exif = Pillow.Exif()
    exif[MAKE], exif[MODEL], exif[ARTIST] = "A maker", "A model", "Zoë"
    exif[ORIENTATION] = 6
    inner = exif.get_ifd(EXIF)
    inner[TIME], inner[LENS] = "2024:05:06 07:08:09", "A lens"
    inner[EXPOSURE] = TiffImagePlugin.IFDRational(1, 200)
    inner[MAKER_NOTE], inner[COMMENT] = b"SECRET-NOTE", b"SECRET-COMMENT"
    inner[SERIAL], inner[OWNER], inner[UNIQUE] = "SECRET-SERIAL", "SECRET-OWNER", "SECRET-ID"
    exif.get_ifd(GPS)[1] = "SECRET-NORTH"
    return exif


def block(*, big: bool = False) -> bytes:
    exif = full_exif()
    exif.endian = ">" if big else "<"
    return exif.tobytes().removeprefix(b"Exif\0\0")


def read(data: bytes | None) -> Pillow.Exif:
    exif = Pillow.Exif()
    assert data is not None
    exif.load(data)
    return exif


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_what_is_kept_is_kept_and_nothing_else(form: str) -> None:
    picture = Pillow.fromarray(np.zeros((8, 12, 3), np.uint8))
    out = io.BytesIO()
    picture.save(out, form, exif=full_exif())

    image = decode(out.getvalue(), DecodeLimits())

    exif = read(image.exif)
    assert set(exif) == {MAKE, MODEL, ARTIST, EXIF}
    assert (exif[MAKE], exif[MODEL]) == ("A maker", "A model")
    inner = exif.get_ifd(EXIF)
    assert set(inner) == {TIME, EXPOSURE, LENS}
    assert inner[TIME] == "2024:05:06 07:08:09"
    assert abs(float(inner[EXPOSURE]) - 0.005) < 1e-9
    assert image.exif is not None
    assert b"SECRET" not in image.exif
    assert image.warnings == ()


def test_of_a_tiff_its_own_fields_are_kept() -> None:
    out = io.BytesIO()
    Pillow.new("RGB", (12, 8)).save(out, "TIFF", exif=full_exif())

    exif = read(decode(out.getvalue(), DecodeLimits()).exif)

    assert set(exif) == {MAKE, MODEL, ARTIST}
    assert exif[MODEL] == "A model"


def test_both_byte_orders_give_the_same() -> None:
    assert kept(block(big=True)) == kept(block())


def test_what_was_kept_is_kept_again() -> None:
    once = kept(block())

    assert once is not None
    assert kept(once) == once


def test_nothing_to_keep_is_nothing() -> None:
    exif = Pillow.Exif()
    exif[ORIENTATION] = 3
    assert kept(exif.tobytes().removeprefix(b"Exif\0\0")) is None


def test_a_value_too_long_is_left_out_and_the_rest_stays_under_64_kb() -> None:
    exif = full_exif()
    exif[ARTIST] = "x" * 50_000

    result = kept(exif.tobytes().removeprefix(b"Exif\0\0"))

    assert set(read(result)) == {MAKE, MODEL, EXIF}
    assert len(result or b"") < 64_000


@given(st.binary(max_size=300), st.sampled_from([b"", b"II*\0", b"MM\0*", block()[:40]]))
def test_arbitrary_bytes_are_kept_in_part_or_damaged(data: bytes, start: bytes) -> None:
    try:
        result = kept(start + data)
    except DamagedMetadata:
        return
    assert result is None or len(result) < 64_000


def test_a_picture_with_damaged_metadata_is_still_a_picture() -> None:
    pixels = np.full((8, 12, 3), 77, np.uint8)
    out = io.BytesIO()
    Pillow.fromarray(pixels).save(out, "PNG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff")

    image = decode(out.getvalue(), DecodeLimits())

    assert (image.pixels == pixels).all()
    assert image.exif is None
    assert image.warnings == (Warned.METADATA_DAMAGED,)
