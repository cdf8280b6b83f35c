"""A file appears under its name when it is whole."""

from pathlib import Path

import pytest

from processors.whole_files import write_whole


@pytest.mark.parametrize("replace", [True, False])
def test_a_file_is_written_with_the_folders_above_it(tmp_path: Path, *, replace: bool) -> None:
    path = tmp_path / "deep" / "er" / "a.png"

    write_whole(path, b"whole", replace=replace)

    assert path.read_bytes() == b"whole"
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_is_there_is_replaced_only_when_asked_to(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    with pytest.raises(FileExistsError):
        write_whole(path, b"new", replace=False)
    assert path.read_bytes() == b"old"

    write_whole(path, b"new", replace=True)
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_in_the_way_is_an_error_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()

    with pytest.raises(OSError, match=r"a\.png"):
        write_whole(tmp_path / "a.png", b"new", replace=True)

    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
