"""A backup's folder: what tells a finished one from any other, and its listing of objects."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from infra.backup import NoBackupError, NotEmptyError, manifest, objects
from infra.backup.manifest import Database, Manifest, Objects, PartitionEnds
from infra.stored_objects import ObjectInfo

if TYPE_CHECKING:
    from infra.stored_objects import ObjectStore

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def finished(folder: Path) -> Manifest:
    """Return the manifest of a backup that was just made in `folder`."""
    manifest.begin(folder)
    (folder / "database.dump").write_bytes(b"rows")
    (folder / "objects.jsonl.gz").write_bytes(b"names")
    made = Manifest(
        began=AT,
        ended=AT,
        database=Database(
            file=manifest.seal(folder / "database.dump"),
            schema_version="0003",
            server="18.6",
            rows={"jobs": 2},
            ledger_sum=0,
        ),
        objects=Objects(
            file=manifest.seal(folder / "objects.jsonl.gz"), bucket="uploads", count=1, size=9
        ),
        topics={"usage": {0: PartitionEnds(start=0, end=7)}},
        groups={"picmend": {"usage": {0: 5}}},
    )
    manifest.finish(folder, made)
    return made


def test_a_finished_backup_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    assert finished(folder) == manifest.read(folder)


def test_only_its_owner_may_read_a_backup(tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    finished(folder)
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / manifest.NAME).stat().st_mode & 0o077 == 0


def test_a_folder_without_a_manifest_is_no_backup(tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    finished(folder)
    (folder / manifest.NAME).rename(folder / f"{manifest.NAME}.part")
    with pytest.raises(NoBackupError, match="never finished"):
        manifest.read(folder)


@pytest.mark.parametrize("name", ["database.dump", "objects.jsonl.gz"])
@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_a_damaged_file_is_found(tmp_path: Path, name: str, damage: str) -> None:
    folder = tmp_path / "copy"
    finished(folder)
    path = folder / name
    match damage:
        case "cut":
            path.write_bytes(path.read_bytes()[:-1])
        case "changed":
            path.write_bytes(bytes(len(path.read_bytes())))
        case _:
            path.unlink()
    with pytest.raises(NoBackupError, match=f"{name} is missing or not as it was written"):
        manifest.read(folder)


def test_a_backup_of_another_format_is_left_to_the_version_that_wrote_it(tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    finished(folder)
    text = json.loads((folder / manifest.NAME).read_text())
    (folder / manifest.NAME).write_text(json.dumps(text | {"format": 2}))
    with pytest.raises(NoBackupError, match="the version that wrote it"):
        manifest.read(folder)


def test_a_folder_that_holds_something_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(NotEmptyError, match="not empty"):
        manifest.begin(tmp_path)


class Shelf:
    """A bucket's listing, as far as a backup asks for it."""

    def __init__(self, **etags: str) -> None:
        self._etags = etags

    def list(self, prefix: str) -> Iterator[Sequence[ObjectInfo]]:
        assert prefix == ""
        yield [ObjectInfo(key, etag, 3, None, AT, None) for key, etag in self._etags.items()]


def shelf(**etags: str) -> ObjectStore:
    return cast("ObjectStore", Shelf(**etags))


def test_a_listing_tells_what_is_missing_changed_and_new(tmp_path: Path) -> None:
    path = tmp_path / "objects.jsonl.gz"
    assert objects.write_listing(shelf(a="1", b="1", c="1"), path) == objects.Listed(3, 9)
    found = objects.compare(shelf(b="1", c="2", d="1"), path)
    assert (found.missing, found.changed, found.added) == (1, 1, 1)
    assert (found.first_missing, found.first_changed) == (["a"], ["c"])
