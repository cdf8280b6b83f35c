"""What a backup is: a folder whose manifest, written last, names its files and their sums."""

import hashlib
import os
from pathlib import Path
from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from infra.backup import NoBackupError, NotEmptyError

FORMAT: Final = 1
NAME: Final = "manifest.json"
_CHUNK: Final = 1 << 20


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Sealed(_Part):
    """A file of the backup: its name, size in bytes, and SHA-256 in hex."""

    name: str
    size: int
    sha256: str


class Database(_Part):
    """The dump of the database, and what must be found again once it is restored.

    `rows` counts each table; `ledger_sum` is that of all entries.
    """

    file: Sealed
    schema_version: str
    server: str
    rows: dict[str, int]
    ledger_sum: int


class Objects(_Part):
    """The listing of the bucket, one JSON object a line, gzipped, in order of the keys."""

    file: Sealed
    bucket: str
    count: int
    size: int


class PartitionEnds(_Part):
    """From which offset a partition could be read, and where it ended, when the backup began."""

    start: int
    end: int


class Manifest(_Part):
    """One backup.

    `began` is when the offsets were read, before the database's moment: what was committed
    then had done its work in the database. `topics` and `groups` hold offsets by partition;
    a group's is where it would go on.
    """

    format: Literal[1] = FORMAT
    began: AwareDatetime
    ended: AwareDatetime
    database: Database
    objects: Objects
    topics: dict[str, dict[int, PartitionEnds]]
    groups: dict[str, dict[str, dict[int, int]]]


def begin(folder: Path) -> None:
    """Make the folder of a new backup, for its owner's eyes only. Raises `NotEmptyError`."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise NotEmptyError(f"{folder} is there and not empty; name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)


def create(path: Path) -> int:
    """Create a file that only its owner may read, and return its descriptor."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


def seal(path: Path) -> Sealed:
    """Return a file's sums, once it is on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return Sealed(name=path.name, size=path.stat().st_size, sha256=_sha256(path))


def finish(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, whole or not at all: a folder without it is no backup."""
    building = folder / f"{NAME}.part"
    with os.fdopen(create(building), "wb") as file:
        file.write(manifest.model_dump_json(indent=2).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    building.replace(folder / NAME)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(folder: Path) -> Manifest:
    """Return the manifest of a backup all of whose files are as they were written.

    Raises `NoBackupError`.
    """
    try:
        text = (folder / NAME).read_bytes()
    except FileNotFoundError:
        raise NoBackupError(
            f"{folder} holds no {NAME}: it is no backup, or one that was never finished"
        ) from None
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        raise NoBackupError(
            f"{folder / NAME} is not one that this version reads (format {FORMAT}); restore it"
            f" with the version that wrote it: {error.errors()[0]['msg']}"
        ) from error
    for sealed in (manifest.database.file, manifest.objects.file):
        path = folder / sealed.name
        if (
            not path.is_file()
            or path.stat().st_size != sealed.size
            or _sha256(path) != (sealed.sha256)
        ):
            raise NoBackupError(f"{path} is missing or not as it was written; use another backup")
    return manifest


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
