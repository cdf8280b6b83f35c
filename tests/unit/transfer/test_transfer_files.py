import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.bulk.files import find_files, target_of, unfit
from schemas.ids import AccountId

ACCOUNT = AccountId("acc_1")


def write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")


def test_files_are_found_at_any_depth_in_order(tmp_path: Path) -> None:
    write(tmp_path, "b.png", "a/照片 1.jpg", "a/b/c.webp")
    found = find_files(tmp_path)
    assert [file.name for file in found] == ["a/b/c.webp", "a/照片 1.jpg", "b.png"]
    assert {file.size for file in found} == {5}
    assert found[0].path.read_bytes() == b"12345"


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, ".DS_Store", ".git/a.png", "a/.hidden.png", "a/b.png")
    assert [file.name for file in find_files(tmp_path)] == ["a/b.png"]


def test_links_to_files_are_followed_and_links_to_folders_are_not(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", "a.png")
    (tmp_path / "here").mkdir()
    (tmp_path / "here/link.png").symlink_to(tmp_path / "elsewhere/a.png")
    (tmp_path / "here/folder").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "here/broken.png").symlink_to(tmp_path / "nothing")
    assert [file.name for file in find_files(tmp_path / "here")] == ["link.png"]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        find_files(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["a.png", "summer 2026/a+b 100%.png", "照片/小猫.jpg", "..a.png"])
def test_ordinary_names_can_be_uploads(name: str) -> None:
    assert unfit(ACCOUNT, "x4", name) is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a\\b.png", "backslash"),
        (os.fsdecode(b"\xff.png"), "UTF-8"),
        ("照" * 69 + ".png", "205"),
        ("d/" * 450 + "a", "900"),
        ("a.png.versions/b.png", "versions"),
    ],
)
def test_names_that_stores_do_not_keep_are_told_before_they_are_sent(
    name: str, reason: str
) -> None:
    assert reason in (unfit(ACCOUNT, "x4", name) or "")


def test_a_download_lies_below_its_folder(tmp_path: Path) -> None:
    assert target_of(tmp_path, "x4/照片 1.png") == tmp_path / "x4" / "照片 1.png"


@pytest.mark.parametrize(
    "name",
    [
        "../a.png",
        "x4/../../a.png",
        "/etc/passwd",
        "x4//a.png",
        "x4/./a.png",
        "x4/",
        "",
        "..\\a.png",
        "x4/a\0.png",
    ],
)
def test_a_name_that_leads_elsewhere_has_no_target(tmp_path: Path, name: str) -> None:
    assert target_of(tmp_path, name) is None


def test_a_link_within_the_folder_does_not_lead_out(tmp_path: Path) -> None:
    folder, outside = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    outside.mkdir()
    (folder / "link").symlink_to(outside)
    assert target_of(folder, "link/a.png") is None
    assert target_of(folder, "link/new/a.png") is None


@given(st.text(alphabet="./\\aC:~\0", max_size=12))
def test_no_name_escapes(name: str) -> None:
    folder = Path("/srv/photos")
    target = target_of(folder, name)
    if target is not None:
        assert os.path.normpath(target).startswith("/srv/photos/")
