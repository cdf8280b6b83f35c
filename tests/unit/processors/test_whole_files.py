"""A file appears under its name when it is whole."""

import signal
import subprocess
import sys
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


def test_a_file_where_its_folder_should_be_is_not_taken_for_the_file(tmp_path: Path) -> None:
    (tmp_path / "folder").write_bytes(b"mine")

    with pytest.raises(NotADirectoryError, match="folder"):
        write_whole(tmp_path / "folder" / "a.png", b"new", replace=False)


_IS_KILLED_IN_MID_WRITE = """
import resource, signal, sys
from pathlib import Path
from processors.whole_files import write_whole

# The system kills who writes beyond this, once the bytes up to it are written.
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
write_whole(Path(sys.argv[1]), bytes(1 << 20), replace=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has files without names")
def test_a_process_that_is_killed_in_mid_write_leaves_nothing(tmp_path: Path) -> None:
    words = [sys.executable, "-c", _IS_KILLED_IN_MID_WRITE, str(tmp_path / "a.png")]
    done = subprocess.run(words, check=False)  # noqa: S603 (our own)

    assert done.returncode == -signal.SIGXFSZ
    assert list(tmp_path.iterdir()) == []
