"""`picmend restore`: folders of pictures, good and bad, on this machine and without a server."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from cli import main

FAST = ("--model", "fast", "--scale", "2")


def restore(*arguments: object) -> Result:
    words = ["restore", *(str(each) for each in arguments)]
    return CliRunner().invoke(main.app, words, env={"COLUMNS": "200"})


def lines(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def picture(path: Path, *, side: int = 24, mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = len(mode)
    pixels = np.random.default_rng(side).integers(0, 256, (side, side, channels), np.uint8)
    Image.fromarray(pixels if channels > 1 else pixels[..., 0]).save(path)
    return path


def shown(path: Path) -> Image.Image:
    """A result, decoded whole."""
    with Image.open(path) as opened:
        opened.load()
        return opened


@contextmanager
def running(*arguments: object) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """The command in a process of its own, and what it prints."""
    words = [sys.executable, "-m", "cli.main", "restore", *(str(each) for each in arguments)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 (our own)
        assert process.stdout is not None
        try:
            yield process, process.stdout
        finally:
            process.kill()


def below(folder: Path) -> list[str]:
    """Every file below a folder, hidden ones too."""
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def test_a_folder_of_good_and_bad_files_is_restored_as_far_as_it_can_be(tmp_path: Path) -> None:
    pictures, out = tmp_path / "in", tmp_path / "out"
    picture(pictures / "a.jpg")
    picture(pictures / "deep" / "b.png", mode="RGBA")
    whole = picture(pictures / "cut.png").read_bytes()
    (pictures / "cut.png").write_bytes(whole[: len(whole) // 2])
    (pictures / "fake.webp").write_bytes(b"<svg/>")
    (pictures / "notes.txt").write_text("no picture")

    result = restore(pictures, "-o", out, *FAST, "--json")

    assert result.exit_code == 1
    told = {Path(str(line["input"])).name: line for line in lines(result)}
    assert {name: line["status"] for name, line in told.items()} == {
        "a.jpg": "restored",
        "b.png": "restored",
        "cut.png": "failed",
        "fake.webp": "failed",
    }
    assert (told["cut.png"]["code"], told["fake.webp"]["code"]) == (
        "truncated_image",
        "unsupported_format",
    )
    assert below(out) == ["a.jpg", "deep/b.png"]
    assert shown(out / "a.jpg").size == (48, 48)
    assert shown(out / "deep" / "b.png").mode == "RGBA"
    report = told["a.jpg"]["report"]
    assert isinstance(report, dict)
    assert report["input_size"] == [24, 24]
    assert report["models"][0]["weights_sha256"]


def test_what_is_there_is_not_made_again_unless_asked(tmp_path: Path) -> None:
    source, out = picture(tmp_path / "a.png"), tmp_path / "out"
    assert restore(source, "-o", out, *FAST).exit_code == 0
    (out / "a.png").write_bytes(b"mine")

    again = restore(source, "-o", out, *FAST)

    assert (again.exit_code, (out / "a.png").read_bytes()) == (0, b"mine")
    assert "1 skipped" in again.output
    assert restore(source, "-o", out, *FAST, "--overwrite").exit_code == 0
    assert shown(out / "a.png").size == (48, 48)


def test_an_input_is_never_replaced(tmp_path: Path) -> None:
    source = picture(tmp_path / "a.png")
    before = source.read_bytes()

    result = restore(source, "-o", tmp_path, *FAST, "--overwrite")

    assert result.exit_code == 1
    assert "would replace the input" in result.output
    assert source.read_bytes() == before


def test_a_mask_is_an_input_and_never_replaced(tmp_path: Path) -> None:
    source, mask = picture(tmp_path / "a.bmp"), picture(tmp_path / "a.png", mode="L")
    before = mask.read_bytes()
    filling = ("--operation", "inpaint", "--mask", mask)

    result = restore(source, "-o", tmp_path, *filling, "--overwrite")

    assert result.exit_code == 1
    assert "would replace the input" in result.output
    assert mask.read_bytes() == before


def test_what_is_in_a_results_way_is_no_result(tmp_path: Path) -> None:
    source, long = picture(tmp_path / "a.png"), picture(tmp_path / f"{'b' * 251}.png")
    (tmp_path / "out" / "a.png").mkdir(parents=True)

    folder = restore(source, "-o", tmp_path / "out", *FAST)
    name = restore(long, "-o", tmp_path / "out", *FAST, "--suffix", "_long")

    assert (folder.exit_code, name.exit_code) == (1, 1)
    assert "it is a folder; mend that" in folder.output
    assert "File name too long; mend that" in name.output


def test_a_pipe_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    pipe, out = tmp_path / "pipe.png", tmp_path / "out"
    os.mkfifo(pipe)
    (tmp_path / "link.png").symlink_to(picture(tmp_path / "a.png"))

    result = restore(pipe, tmp_path / "link.png", "-o", out, *FAST, "--json")

    assert result.exit_code == 1
    failed, restored = lines(result)
    assert "it is a pipe, a socket or a device; save the picture" in str(failed["reason"])
    assert restored["status"] == "restored"
    assert below(out) == ["link.png"]


def test_a_link_to_nothing_is_no_result(tmp_path: Path) -> None:
    source, out = picture(tmp_path / "a.png"), tmp_path / "out"
    out.mkdir()
    (out / "a.png").symlink_to(tmp_path / "nowhere")

    result = restore(source, "-o", out, *FAST)

    assert result.exit_code == 1
    assert "it is a link to nothing" in result.output
    assert restore(source, "-o", out, *FAST, "--overwrite").exit_code == 0
    assert below(tmp_path) == ["a.png", "out/a.png"]


def test_a_folder_of_pictures_takes_no_results_without_a_suffix(tmp_path: Path) -> None:
    pictures = tmp_path / "in"
    picture(pictures / "a.png")

    result = restore(pictures, "-o", pictures / ".." / "in", *FAST, "--format", "webp")

    assert result.exit_code == 2
    assert "or give --suffix" in result.output
    assert below(pictures) == ["a.png"]


def test_results_are_written_as_asked(tmp_path: Path) -> None:
    source, out = picture(tmp_path / "a.png", side=64), tmp_path / "out"

    result = restore(
        source, "-o", out, *FAST, "--format", "webp", "--target-bytes", 6000, "--quality", 90
    )

    assert result.exit_code == 0
    assert shown(out / "a.webp").format == "WEBP"
    assert (out / "a.webp").stat().st_size <= 6000


def test_a_marked_region_is_filled_by_the_mask_beside_the_picture(tmp_path: Path) -> None:
    source, out = picture(tmp_path / "a.png"), tmp_path / "out"
    mask = np.zeros((24, 24), np.uint8)
    mask[8:12, 8:12] = 255
    Image.fromarray(mask).save(tmp_path / "a.png.mask.png")

    assert restore(source, "-o", out, "--operation", "inpaint").exit_code == 0

    after, before = np.asarray(shown(out / "a.png")), np.asarray(shown(source))
    assert (after[mask == 0] == before[mask == 0]).all()
    assert (after[mask == 255] != before[mask == 255]).any()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--operation", "sharpen"), "there are upscale, restore"),
        (("--scale", "9"), "--scale: Input should be less than or equal to 8"),
        (("--strength", "1"), "upscale takes no --strength"),
        (("--mask", "m.png"), "--mask is for inpaint"),
        (("--operation", "inpaint", "--mask", "m.png"), "cannot read m.png"),
        (
            ("--operation", "inpaint", "--mask", "m.png", "--param", "mask=alpha"),
            "none is asked for by --param mask",
        ),
        (("--format", "bmp"), "--format: "),
        (
            ("--long-side", "99", "--scale", "2"),
            "--long-side and --scale (factor) cannot both hold",
        ),
        (("--operation", "tone", "--width", "99"), "--width is for upscale and enhance"),
        (("--scale", "2", "--param", "factor=3"), "--scale and --param factor=3 cannot both hold"),
        (("--suffix", "a/b"), "--suffix is a part of a name"),
    ],
)
def test_a_wrong_call_is_said_before_anything_is_done(
    tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    result = restore(picture(tmp_path / "a.png"), "-o", tmp_path / "out", *arguments)

    assert result.exit_code == 2
    assert told in result.output
    assert not (tmp_path / "out").exists()


def test_a_size_can_be_asked_for_instead_of_a_factor(tmp_path: Path) -> None:
    pictures, out = tmp_path / "in", tmp_path / "out"
    picture(pictures / "large.png", side=64)
    picture(pictures / "middle.png", side=37)
    picture(pictures / "small.png", side=7)

    result = restore(pictures, "-o", out, "--model", "fast", "--long-side", 64, "--json")

    assert result.exit_code == 1
    told = {Path(str(line["input"])).name: line for line in lines(result)}
    assert (told["large.png"]["status"], told["large.png"]["reason"]) == (
        "skipped",
        "it is 64x64 already",
    )
    assert told["small.png"]["code"] == "parameters_invalid"
    assert "ask for 56 or less" in str(told["small.png"]["reason"])
    assert below(out) == ["middle.png"]
    assert shown(out / "middle.png").size == (64, 64)


def test_results_may_lie_beside_their_pictures_under_names_of_their_own(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")

    for status in ("restored", "skipped"):
        result = restore(tmp_path, "-o", tmp_path, *FAST, "--suffix", "_x2", "--json")
        assert [line["status"] for line in lines(result)] == [status]
    assert below(tmp_path) == ["a.png", "a_x2.png"]


def test_a_result_that_its_format_cannot_hold_is_refused_before_the_work(tmp_path: Path) -> None:
    Image.new("RGB", (2100, 3)).save(tmp_path / "a.png")

    result = restore(
        tmp_path / "a.png", "-o", tmp_path / "out", "--scale", 8, "--format", "webp", "--json"
    )

    (told,) = lines(result)
    assert told["code"] == "image_too_large"
    assert "16800x24; webp holds 16383 a side" in str(told["reason"])
    assert told["advice"]


@pytest.mark.parametrize("place", ["a_file", "a_file/below"])
def test_a_folder_that_takes_no_results_is_said_before_anything_is_done(
    tmp_path: Path, place: str
) -> None:
    (tmp_path / "a_file").write_text("mine")

    result = restore(picture(tmp_path / "a.png"), "-o", tmp_path / place, *FAST)

    assert result.exit_code == 2
    assert (tmp_path / "a_file").read_text() == "mine"
    assert "Not a directory" in result.output or "is a file" in result.output


def test_a_file_where_a_results_folder_should_be_is_a_failure_and_no_result(
    tmp_path: Path,
) -> None:
    pictures, out = tmp_path / "in", tmp_path / "out"
    picture(pictures / "deep" / "a.png")
    out.mkdir()
    (out / "deep").write_text("mine")

    result = restore(pictures, "-o", out, *FAST)

    assert result.exit_code == 1
    assert "Not a directory" in result.output
    assert "1 failed" in result.output
    assert below(out) == ["deep"]


def test_what_no_file_can_be_done_with_is_said_once(tmp_path: Path) -> None:
    pictures = tmp_path / "in"
    for name in ("a.png", "b.png"):
        picture(pictures / name)

    result = restore(pictures, "-o", tmp_path / "out", "--operation", "faces", "--models", tmp_path)

    assert result.exit_code == 1
    assert result.output.count("gfpgan-1.4 needs gfpgan_1.4.onnx") == 1


def test_a_picture_without_a_mask_is_told_where_one_is_looked_for(tmp_path: Path) -> None:
    result = restore(
        picture(tmp_path / "a.png"), "-o", tmp_path / "out", "--operation", "inpaint", "--json"
    )

    (told,) = lines(result)
    assert told["code"] == "mask_missing"
    assert "a.png.mask.png" in str(told["reason"])


def test_without_a_terminal_each_result_is_told_in_a_line(tmp_path: Path) -> None:
    source = picture(tmp_path / "a.png")

    result = restore(source, "-o", tmp_path / "out", *FAST)

    assert f"{source} -> {tmp_path / 'out' / 'a.png'} (" in result.output.replace("\n", "")


def test_nothing_to_restore_is_a_wrong_call(tmp_path: Path) -> None:
    assert "no pictures in" in restore(tmp_path, "-o", tmp_path / "out").output
    assert restore(tmp_path / "none.png", "-o", tmp_path / "out").exit_code == 2
    assert "standard input is not read" in restore("-", "-o", tmp_path / "out").output


def test_a_killed_run_leaves_whole_results_alone_and_the_next_goes_on(tmp_path: Path) -> None:
    pictures, out = tmp_path / "in", tmp_path / "out"
    picture(pictures / "a.png")
    picture(pictures / "b.png", side=300)
    with running(pictures, "-o", out, *FAST, "--json") as (process, printed):
        first = json.loads(printed.readline())
        process.kill()
        process.wait()

    assert first["status"] == "restored"
    left = below(out)
    assert left[0] == "a.png"
    for name in left:
        shown(out / name)

    told = lines(restore(pictures, "-o", out, *FAST, "--json"))
    assert {line["status"] for line in told} <= {"skipped", "restored"}
    assert below(out) == ["a.png", "b.png"]


def test_an_interrupted_run_stops_before_its_next_tile(tmp_path: Path) -> None:
    pictures, out = tmp_path / "in", tmp_path / "out"
    picture(pictures / "a.png")
    # Dozens of tiles: half a minute.
    picture(pictures / "b.png", side=1500)
    picture(pictures / "c.png")
    with running(pictures, "-o", out, *FAST, "--json") as (process, printed):
        assert json.loads(printed.readline())["status"] == "restored"
        os.kill(process.pid, signal.SIGINT)
        told = [json.loads(line) for line in printed]
        assert process.wait(30) == 130

    assert {line["status"] for line in told} == {"stopped"}
    assert below(out) == ["a.png"]


def test_nothing_is_done_for_a_reader_who_has_left(tmp_path: Path) -> None:
    pictures, out = tmp_path / "in", tmp_path / "out"
    for name in "abcdefgh":
        picture(pictures / f"{name}.png", side=96)
    with running(pictures, "-o", out, *FAST, "--json") as (process, printed):
        printed.close()
        assert process.wait(60) == 1

    assert len(below(out)) < 8


def test_help_does_not_wait_for_torch() -> None:
    asks = "import sys; from cli.main import app; app(['restore', '--help'], standalone_mode=False)"
    done = subprocess.run(  # noqa: S603 (our own)
        [sys.executable, "-c", f"{asks}; print('torch' in sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    )

    assert "Restore pictures" in done.stdout
    assert done.stdout.endswith("False\n")
