"""The object store in a backup: not its bytes, but what lay there, to be compared with later."""

import gzip
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.backup.manifest import create
from infra.stored_objects import ObjectInfo, ObjectStore

SHOWN: Final = 20
"""Keys that a comparison names of each kind; the others it counts."""


@dataclass(frozen=True, slots=True)
class Listed:
    """How many objects a listing has, and their bytes in all."""

    count: int
    size: int


@dataclass(slots=True)
class Difference:
    """How a bucket differs from a listing: counts, and the first keys of what is not as it was.

    `added` counts what came since, which is as it should be.
    """

    missing: int
    changed: int
    added: int
    first_missing: list[str]
    first_changed: list[str]


def write_listing(store: ObjectStore, path: Path) -> Listed:
    """List a bucket into a new file. Raises `StoreError`s."""
    count = size = 0
    with os.fdopen(create(path), "wb") as raw, gzip.open(raw, "wb", compresslevel=6) as file:
        for page in store.list(""):
            for info in page:
                file.write(json.dumps(_record(info), ensure_ascii=False).encode() + b"\n")
                count, size = count + 1, size + info.size
    return Listed(count, size)


def compare(store: ObjectStore, path: Path) -> Difference:
    """Compare a bucket with a listing of it. Raises `StoreError`s.

    Holds the listing in memory: some 300 bytes an object.
    """
    then = _read(path)
    found = Difference(0, 0, 0, [], [])
    for page in store.list(""):
        for info in page:
            known = then.pop(info.key, None)
            if known is None:
                found.added += 1
            elif known != (info.etag, info.size):
                found.changed += 1
                _note(found.first_changed, info.key)
    found.missing = len(then)
    found.first_missing = sorted(then)[:SHOWN]
    return found


def _note(keys: list[str], key: str) -> None:
    if len(keys) < SHOWN:
        keys.append(key)


def _record(info: ObjectInfo) -> dict[str, object]:
    return {
        "key": info.key,
        "etag": info.etag,
        "size": info.size,
        "version_id": info.version_id,
        "modified": info.last_modified.isoformat(),
    }


def _read(path: Path) -> dict[str, tuple[str, int]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        records = (json.loads(line) for line in file)
        return {record["key"]: (record["etag"], record["size"]) for record in records}
