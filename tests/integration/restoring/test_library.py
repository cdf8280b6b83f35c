"""The engine for Python programs: read, restore, write."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

import processors
from processors import library
from processors.engine.tiled import Cancelled
from processors.images.decoder import Decoder
from processors.images.errors import FileTooLarge, TruncatedImage
from processors.images.image import Image as Picture
from processors.operations.inpaint import MaskMissing, MaskSizeMismatch
from schemas.errors import ErrorCode
from schemas.operations import ImageFormat
from schemas.warnings import Warned


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    path = tmp_path / "in.png"
    pixels = np.random.default_rng(2).integers(0, 256, (20, 30, 4), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_three_lines_restore_a_picture(photograph: Path) -> None:
    picture = processors.read(photograph)
    result = processors.restore(picture, "upscale", model="fast", factor=2)
    warnings = processors.write(result, photograph.with_name("out.jpg"))

    assert warnings == (Warned.ALPHA_FLATTENED,)
    assert result.report.output_size == (60, 40)
    assert result.format is ImageFormat.PNG
    with Image.open(photograph.with_name("out.jpg")) as written:
        assert (written.format, written.size) == ("JPEG", (60, 40))
        assert b"algorithmicallyEnhanced" in written.info["xmp"]


def test_bytes_are_read_as_files_are_and_bad_ones_are_refused(photograph: Path) -> None:
    data = photograph.read_bytes()

    assert (processors.read(data).pixels == processors.read(photograph).pixels).all()
    with pytest.raises(TruncatedImage):
        processors.read(data[:-30])


def filled(photograph: Path) -> processors.Result:
    mask = np.zeros((20, 30, 1), np.uint8)
    mask[4:8, 4:8] = 255
    marked = Picture(mask, None, None, ImageFormat.PNG, (30, 20))
    return processors.restore(processors.read(photograph), "inpaint", mask=marked, quality=40)


def test_a_picture_may_be_given_by_its_path(photograph: Path) -> None:
    by_path = processors.restore(photograph, "tone")
    by_picture = processors.restore(processors.read(photograph), "tone")

    assert (by_path.image.pixels == by_picture.image.pixels).all()
    with pytest.raises(FileNotFoundError, match="none"):
        processors.restore("none.png", "tone")


def test_a_mask_that_is_missing_or_of_another_size_is_an_error_that_says_so(
    photograph: Path,
) -> None:
    small = photograph.with_name("mask.png")
    Image.new("L", (5, 4), 255).save(small)

    with pytest.raises(MaskMissing, match="no mask was given") as missing:
        processors.restore(photograph, "inpaint")
    with pytest.raises(MaskSizeMismatch, match="the mask is 5x4, the picture 30x20"):
        processors.restore(photograph, "inpaint", mask=small)
    assert missing.value.code is ErrorCode.MASK_MISSING


def test_what_is_filled_may_be_marked_by_alpha_or_by_shapes(photograph: Path) -> None:
    pixels = np.full((20, 30, 4), 90, np.uint8)
    pixels[..., 3] = 255
    pixels[5:8, 5:8] = 0
    Image.fromarray(pixels).save(photograph)
    square = {"shape": "rectangle", "left": 1, "top": 2, "width": 3, "height": 4}

    by_alpha = processors.restore(photograph, "inpaint", mask="alpha")
    by_shapes = processors.restore(photograph, "inpaint", mask="shapes", shapes=[square])

    assert by_alpha.image.alpha is None
    assert by_alpha.image.pixels[6, 6].tolist() == [90, 90, 90]
    assert by_shapes.report.tiles == 1
    with pytest.raises(ValidationError, match="mask"):
        processors.restore(photograph, "tone", mask="alpha")


def test_a_file_that_no_decoder_takes_is_refused_unread(tmp_path: Path) -> None:
    large = tmp_path / "large.tif"
    with large.open("wb") as file:
        file.truncate(1 << 36)

    with pytest.raises(FileTooLarge, match="68719476736 bytes are more than 67108864"):
        processors.read(large)


def test_how_a_result_is_written_can_be_said_twice(photograph: Path) -> None:
    result = filled(photograph)
    first, second = photograph.with_name("1.webp"), photograph.with_name("2.webp")

    processors.write(result, first)
    processors.write(result, second, quality=95)

    assert first.stat().st_size < second.stat().st_size


def test_a_format_that_the_name_contradicts_is_an_error(photograph: Path) -> None:
    result, target = filled(photograph), photograph.with_name("out.png")

    with pytest.raises(ValueError, match=r"out\.png ends as png does, and format=webp was asked"):
        processors.write(result, target, format="webp")
    assert not target.exists()
    processors.write(result, target, format="png")


def test_threads_that_come_first_at_once_share_one_decoder() -> None:
    start, mine = threading.Barrier(4), list[Decoder]()

    def ask() -> None:
        # Ids that no process has: each stands for one whose first call this is.
        for process in range(-200, 0):
            start.wait()
            mine.append(library._decoder(process))  # noqa: SLF001 (the race is in it alone)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        asking = [threading.Thread(target=ask) for _ in range(4)]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
    finally:
        sys.setswitchinterval(before)

    assert len(set(map(id, mine))) == 200


def test_a_file_is_replaced_only_when_asked_to(photograph: Path) -> None:
    result = filled(photograph)

    with pytest.raises(FileExistsError):
        processors.write(result, photograph)
    processors.write(result, photograph, overwrite=True)


def test_what_is_asked_wrongly_is_an_error_that_names_it(photograph: Path) -> None:
    picture = processors.read(photograph)

    with pytest.raises(ValidationError, match="factor"):
        processors.restore(picture, "upscale", factor=9)
    with pytest.raises(ValueError, match="nothing to restore"):
        processors.restore(picture, "identity")
    with pytest.raises(ValueError, match=r"out\.heic ends in none of \.avif"):
        processors.write(filled(photograph), "out.heic")


def test_work_can_be_watched_and_stopped(photograph: Path) -> None:
    told = list[tuple[int, int]]()
    picture = processors.read(photograph)

    processors.restore(picture, "upscale", model="fast", progress=lambda *steps: told.append(steps))
    assert told[-1][0] == told[-1][1]
    with pytest.raises(Cancelled):
        processors.restore(picture, "upscale", model="fast", should_stop=lambda: True)


def test_processes_that_are_forked_get_their_own_pictures(tmp_path: Path) -> None:
    """As `multiprocessing` forks by default on Linux; from a process that has done nothing else."""
    for side in (200, 300):
        Image.new("L", (side, side), side // 3).save(tmp_path / f"{side}.png")
    asks = """
import multiprocessing, sys, processors
def side(path):
    return processors.read(path).width
paths = [f"{sys.argv[1]}/{each}.png" for each in (200, 300)] * 20
wanted = [side(path) for path in paths]
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map_async(side, paths, chunksize=1).get(60) == wanted
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", asks, str(tmp_path)], check=True)  # noqa: S603 (our own)


def test_torch_is_imported_when_it_is_needed_and_not_before() -> None:
    steps = (
        "import sys, processors; early = 'torch' in sys.modules; "
        "processors.restore; print(early, 'torch' in sys.modules, "
        "[name for name in ('onnxruntime', 'spandrel', 'torchvision') if name in sys.modules])"
    )
    done = subprocess.run(  # noqa: S603 (our own)
        [sys.executable, "-c", steps], check=True, capture_output=True, text=True
    )

    assert done.stdout == "False True []\n"


def test_there_is_nothing_else_in_the_package() -> None:
    with pytest.raises(AttributeError, match="open"):
        processors.open  # noqa: B018 (asked for, and not there)
