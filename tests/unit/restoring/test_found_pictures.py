"""Which files below what was named are restored, and where their results go."""

from pathlib import Path

import pytest

from cli.restoring.files import Item, ResultsAmongInputsError, SameResultError, find_items
from schemas.operations import ImageFormat


def made(top: Path, *names: str) -> Path:
    for name in names:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(b"")
    return top


def names(items: list[Item]) -> list[str]:
    return [item.name.as_posix() for item in items]


def found(*inputs: Path, output: Path, masked: bool = False) -> list[Item]:
    return find_items(inputs, output, mask=None, masked=masked)


def test_a_folder_gives_its_pictures_with_their_folders(tmp_path: Path) -> None:
    top = made(tmp_path / "in", "b.PNG", "a.jpg", "deep/er/c.heic", "notes.txt", ".hidden.png")

    items = found(top, output=tmp_path / "out")

    assert names(items) == ["a", "b", "deep/er/c"]
    target = items[2].target(tmp_path / "out", ImageFormat.JPEG)
    assert target == tmp_path / "out" / "deep/er/c.jpg"


def test_a_named_file_is_taken_whatever_its_name(tmp_path: Path) -> None:
    top = made(tmp_path, "scan.v2.bin")

    assert names(found(top / "scan.v2.bin", output=tmp_path / "out")) == ["scan.v2"]


def test_files_that_differ_in_their_end_alone_keep_it(tmp_path: Path) -> None:
    top = made(tmp_path / "in", "a.jpg", "a.tif", "b.jpg", "deep/a.jpg")

    assert names(found(top, output=tmp_path / "out")) == ["a.jpg", "a.tif", "b", "deep/a"]


def test_results_are_not_taken_for_inputs(tmp_path: Path) -> None:
    top = made(tmp_path, "a.jpg", "out/a.jpg")

    assert names(found(top, output=top / "out")) == ["a"]


def test_a_file_that_is_named_twice_is_restored_once(tmp_path: Path) -> None:
    top = made(tmp_path / "in", "a.jpg")

    assert names(found(top, top / "a.jpg", output=tmp_path / "out")) == ["a"]


def test_two_folders_with_files_of_one_name_are_refused(tmp_path: Path) -> None:
    made(tmp_path, "one/a.jpg", "two/a.jpg")

    with pytest.raises(SameResultError, match="would have the same result"):
        found(tmp_path / "one", tmp_path / "two", output=tmp_path / "out")


def test_the_mask_beside_a_picture_is_its_mask_and_no_picture(tmp_path: Path) -> None:
    top = made(tmp_path / "in", "a.jpg", "a.jpg.mask.png", "b.jpg", "lone.mask.png")

    items = found(top, output=tmp_path / "out", masked=True)

    assert names(items) == ["a", "b", "lone.mask"]
    assert [item.mask for item in items] == [top / "a.jpg.mask.png", None, None]
    assert len(found(top, output=tmp_path / "out")) == 4


def test_one_mask_can_be_given_for_all(tmp_path: Path) -> None:
    top = made(tmp_path / "in", "a.jpg", "a.jpg.mask.png")
    mask = made(tmp_path, "m.png") / "m.png"

    (item,) = find_items([top], tmp_path / "out", mask=mask, masked=True)

    assert item.mask == mask


def test_results_of_an_ending_are_no_inputs_unless_they_are_named(tmp_path: Path) -> None:
    top = made(tmp_path / "in", "a.jpg", "a_x4.jpg", "a.tif")
    named = [top, top / "a_x4.jpg"]

    below = find_items([top], top, mask=None, masked=False, suffix="_x4")
    both = find_items(named, tmp_path / "out", mask=None, masked=False, suffix="_x4")

    assert names(below) == ["a.jpg_x4", "a.tif_x4"]
    assert names(both) == ["a.jpg_x4", "a.tif_x4", "a_x4_x4"]


def test_an_input_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        found(tmp_path / "none", output=tmp_path / "out")


def test_no_two_pictures_have_one_result_however_they_are_named(tmp_path: Path) -> None:
    top = made(tmp_path / "in", "a.jpg", "a.jpg.png", "a.tif")

    assert names(found(top, output=tmp_path / "out")) == ["a.jpg", "a.jpg.png", "a.tif"]


def test_a_mask_for_all_is_no_picture_of_the_folder_that_it_lies_in(tmp_path: Path) -> None:
    top = made(tmp_path / "in", "a.jpg", "hole.png")
    hole = top / "hole.png"

    items = find_items([top], tmp_path / "out", mask=hole, masked=True)
    named = find_items([hole], tmp_path / "out", mask=hole, masked=True)

    assert names(items) == ["a"]
    assert names(named) == ["hole"]


@pytest.mark.parametrize(
    ("inputs", "output"),
    [
        (["a"], "a"),
        (["a"], "link"),
        (["link"], "a"),
        (["a/b"], "a"),
        (["link/b"], "c/../a"),
        (["a/x.jpg", "a/b"], "a"),
        (["a", "a/out/s"], "a/out"),
        (["c", "a/b"], "a"),
        (["c"], "d"),
    ],
)
def test_a_result_that_would_be_an_input_the_next_time_is_refused(
    tmp_path: Path, inputs: list[str], output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path, "a/x.jpg", "a/b/b/y.jpg", "a/out/s/z.jpg", "a/s/z.jpg", "c/b/w.jpg")
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "b").symlink_to(tmp_path / "c" / "b")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ResultsAmongInputsError, match="name another folder with -o, or give --suf"):
        found(*map(Path, inputs), output=Path(output))


@pytest.mark.parametrize(
    ("inputs", "output"),
    [
        (["a"], "a/out"),
        (["a"], "a/b/out"),
        (["a"], "link/out"),
        (["link"], "a/out"),
        (["c/../a"], "a/./out"),
        (["a"], "a/away"),
        (["c"], "a"),
        (["c/b"], "c"),
        (["c/b/w.jpg"], "c"),
        (["a", "a/b"], "a/out"),
    ],
)
def test_a_second_run_takes_what_the_first_took(
    tmp_path: Path, inputs: list[str], output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path, "a/x.jpg", "a/b/y.jpg", "a/b/deep/z.jpg", "c/b/w.jpg", "else/nothing")
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "a" / "away").symlink_to(tmp_path / "else")
    monkeypatch.chdir(tmp_path)
    taken = [Path(each) for each in inputs]

    first = found(*taken, output=Path(output))
    for item in first:
        result = item.target(Path(output), ImageFormat.PNG)
        made(result.parent, result.name)

    assert first
    assert found(*taken, output=Path(output)) == first


def test_what_may_be_the_result_of_another_is_told(tmp_path: Path) -> None:
    top = made(tmp_path, "a.jpg", "a.png", "b.jpg", "b.JPG", "c.jpg", "c.jpg.webp")

    for one, other in (("a.jpg", "a.png"), ("a.png", "a.jpg"), ("c.jpg", "c.jpg.webp")):
        with pytest.raises(ResultsAmongInputsError, match="may be one; name another folder"):
            found(top / one, top / other, output=top)
        assert len(found(top / one, top / other, output=top / "out")) == 2
    assert len(found(top / "a.jpg", top / "b.jpg", output=top)) == 2


def test_named_results_of_an_ending_are_left_out_where_their_pictures_are_named_too(
    tmp_path: Path,
) -> None:
    top = made(tmp_path, "a.jpg", "a_x4.jpg", "b.jpg", "b.jpg_x4.png", "c_x4.png")
    named = sorted(top.iterdir())

    items = find_items(named, top, mask=None, masked=False, suffix="_x4")

    assert names(items) == ["a_x4", "b_x4", "c_x4_x4"]
