import hashlib
from pathlib import Path

import pytest

from infra.stack import kafka_jars


def digests(**contents: bytes) -> dict[str, str]:
    return {name: hashlib.sha256(body).hexdigest() for name, body in contents.items()}


def test_whole_jars_show_no_damage(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"1")
    assert kafka_jars.damage(tmp_path, digests(one=b"1")) is None


def test_a_missing_jar_is_named(tmp_path: Path) -> None:
    assert kafka_jars.damage(tmp_path, digests(one=b"1")) == "one is missing"


def test_a_junk_jar_is_named(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"junk")
    assert "one has another sha256" in str(kafka_jars.damage(tmp_path, digests(one=b"1")))


def test_the_cache_follows_the_users_cache_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert kafka_jars.cache_dir() == tmp_path / "picmend"
    assert not kafka_jars.jars_cached()


def test_forty_five_jars_are_pinned() -> None:
    lines = Path(kafka_jars.__file__).with_name("kafka-4.2.0.sha256").read_text().splitlines()
    assert len(lines) == 45
    assert all(len(line.split()[0]) == 64 for line in lines)
