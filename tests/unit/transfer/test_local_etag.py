import hashlib
from pathlib import Path

import pytest

from infra.local_etag import has_etag, local_etag
from infra.object_store import PART_BYTES


def md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


@pytest.mark.parametrize("data", [b"", b"abc", bytes(PART_BYTES)], ids=["empty", "few", "one part"])
def test_a_file_of_one_part_at_most_has_its_md5(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "file"
    file.write_bytes(data)
    assert local_etag(file) == md5(data).hex()
    assert has_etag(file, md5(data).hex())


def test_a_larger_file_has_the_md5_of_its_parts(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(PART_BYTES) + b"rest")
    expected = md5(md5(bytes(PART_BYTES)) + md5(b"rest")).hex() + "-2"
    assert local_etag(file) == expected
    assert has_etag(file, expected)


def test_a_large_object_put_at_once_is_recognised_too(tmp_path: Path) -> None:
    file = tmp_path / "file"
    data = bytes(PART_BYTES) + b"rest"
    file.write_bytes(data)
    assert has_etag(file, md5(data).hex())


@pytest.mark.parametrize("etag", ["", "0" * 32, "0" * 32 + "-1", md5(b"abc").hex() + "-1"])
def test_other_etags_are_not_the_files(tmp_path: Path, etag: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"abc")
    assert not has_etag(file, etag)
