"""A picture in cells is one picture to readers, with its alpha, its profile and its metadata."""

import io

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageCms

from processors.images.avif_grid import in_cells
from processors.images.avif_writer import LARGE, write_avif
from processors.images.decode import decode
from processors.images.header import read_header
from processors.images.limits import DecodeLimits
from schemas.operations import ImageFormat

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def smooth(mode: str, size: tuple[int, int]) -> Pillow.Image:
    seeds = np.random.default_rng(4).integers(0, 256, (9, 9, 4), np.uint8)
    whole = Pillow.fromarray(seeds).resize(size, Pillow.Resampling.BICUBIC)
    if mode != "LA":
        return whole.convert(mode)
    return Pillow.merge("LA", [whole.getchannel("R"), whole.getchannel("A")])


def coded(cell: Pillow.Image) -> bytes:
    out = io.BytesIO()
    way = "4:0:0" if cell.mode == "L" else "4:4:4"
    cell.save(out, "AVIF", quality=95, speed=10, subsampling=way)
    return out.getvalue()


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("size", [(200, 130), (129, 257), (64, 64)])
def test_cells_are_read_as_the_picture_that_they_were_cut_from(
    mode: str, size: tuple[int, int]
) -> None:
    picture = smooth(mode, size)
    sizes = set[tuple[int, int]]()

    def code(cell: Pillow.Image) -> bytes:
        sizes.add(cell.size)
        return coded(cell)

    data = in_cells(picture, code, side=128)

    with Pillow.open(io.BytesIO(data)) as back:
        assert back.size == size
        there = np.asarray(back.convert(mode), dtype=int)
    assert np.abs(there - np.asarray(picture, dtype=int)).max() <= 12
    assert len(sizes) == 1
    assert all(side % 2 == 0 and 64 <= side <= 128 for side in sizes.pop())


def test_seams_between_cells_are_no_worse_than_the_rest() -> None:
    picture = smooth("RGB", (256, 128))

    with Pillow.open(io.BytesIO(in_cells(picture, coded, side=128))) as back:
        wrong = np.abs(np.asarray(back, dtype=int) - np.asarray(picture, dtype=int))

    assert wrong[:, 126:130].mean() < 1.5 * wrong.mean()


def test_alpha_profile_and_metadata_come_along() -> None:
    exif = Pillow.Exif()
    exif[0x0110] = "a camera"
    block = exif.tobytes().removeprefix(b"Exif\0\0")
    picture = smooth("RGBA", (200, 130))
    data = in_cells(picture, coded, icc=PROFILE, exif=block, xmp=b"<x:xmpmeta/>", side=128)

    header = read_header(lambda start, end: data[start:end], len(data))
    image = decode(data, DecodeLimits())

    assert (header.format, header.width, header.height) == (ImageFormat.AVIF, 200, 130)
    assert header.has_alpha
    assert image.alpha is not None
    assert np.abs(image.alpha.astype(int) - np.asarray(picture)[..., 3]).max() <= 12
    assert image.icc == PROFILE
    assert b"a camera" in (image.exif or b"")
    with Pillow.open(io.BytesIO(data)) as back:
        assert back.info["xmp"] == b"<x:xmpmeta/>"


def test_a_large_picture_is_coded_in_parts_and_can_be_ended_between_them() -> None:
    parts = list[None]()

    def interrupt() -> None:
        parts.append(None)
        if len(parts) > 1:
            raise InterruptedError

    wide = Pillow.new("L", (LARGE // 500 + 2, 500))
    with pytest.raises(InterruptedError):
        write_avif(wide, quality=50, subsampling="4:4:4", before_part=interrupt)
