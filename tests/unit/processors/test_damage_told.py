"""A picture of which a part is missing is refused, or told to be damaged, never given as good."""

import io
import struct

import numpy as np
import pytest
from PIL import Image as Pillow

from processors.images.decode import decode
from processors.images.errors import TruncatedImage, UnreadableImage
from processors.images.image import Image
from processors.images.limits import DecodeLimits
from schemas.warnings import Warned

NOISE = np.random.default_rng(8).integers(0, 256, (64, 48, 3), np.uint8)
ROWS_PER_STRIP = 278


def saved(picture: Pillow.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def decoded(data: bytes) -> Image:
    return decode(data, DecodeLimits())


def with_rows_per_strip(tiff: bytes, rows: int) -> bytes:
    """Return a little-endian TIFF that says so of its strips."""
    (first,) = struct.unpack_from("<I", tiff, 4)
    (count,) = struct.unpack_from("<H", tiff, first)
    changed = bytearray(tiff)
    for at in range(first + 2, first + 2 + 12 * count, 12):
        if struct.unpack_from("<H", tiff, at)[0] == ROWS_PER_STRIP:
            struct.pack_into("<HI", changed, at + 2, 4, 1)
            struct.pack_into("<I", changed, at + 8, rows)
    return bytes(changed)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "jpeg"])
def test_a_tiff_of_fewer_strips_than_its_rows_need_is_truncated(compression: str) -> None:
    whole = saved(Pillow.fromarray(NOISE), "TIFF", compression=compression)

    assert decoded(with_rows_per_strip(whole, 64)).warnings == ()
    with pytest.raises(TruncatedImage):
        decoded(with_rows_per_strip(whole, 7))


def test_a_tiff_in_strips_of_no_rows_is_unreadable() -> None:
    whole = saved(Pillow.fromarray(NOISE), "TIFF")

    with pytest.raises(UnreadableImage):
        decoded(with_rows_per_strip(whole, 0))


def test_a_fax_that_stumbles_is_told() -> None:
    whole = saved(Pillow.fromarray(NOISE[..., 0] > 127), "TIFF", compression="group4")

    assert decoded(whole).warnings == ()
    changed = whole[:200] + b"\xbb\xaa\x99" + whole[203:]
    assert decoded(changed).warnings == (Warned.DATA_DAMAGED,)


def test_an_odd_header_does_not_hide_that_a_jpeg_is_damaged() -> None:
    whole = saved(Pillow.fromarray(NOISE), "JPEG", quality=95)
    middle = len(whole) // 2
    lost = bytearray(whole[:middle] + bytes(512) + whole[middle + 512 :])
    # Of the one scan, the last coefficient: libjpeg takes it for 63, and warns of that alone.
    scan = lost.index(b"\xff\xda")
    lost[scan + 12] = 1

    assert decoded(bytes(lost)).warnings == (Warned.DATA_DAMAGED,)
