"""Names: which files of a folder can be uploads, and where a download may be written."""

import os
from dataclasses import dataclass
from pathlib import Path

from schemas import keys
from schemas.ids import AccountId

_HIDDEN = "."
_VERSIONS = ".versions"
_NOT_IN_FILE_NAMES = ("\\", "\0")


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file to upload: `name` is its path below the folder, with `/` between folders."""

    path: Path
    name: str
    size: int


def find_files(folder: Path) -> list[LocalFile]:
    """Return the files below a folder in order of their names; hidden ones are left out.

    Links to folders are not followed. Raises `OSError` when the folder cannot be read.
    """
    found: list[LocalFile] = []
    for parent, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not name.startswith(_HIDDEN)]
        for name in names:
            path = Path(parent, name)
            if not name.startswith(_HIDDEN) and path.is_file():
                size = path.stat().st_size
                found.append(LocalFile(path, path.relative_to(folder).as_posix(), size))
    return sorted(found, key=lambda file: file.name)


def unfit(account_id: AccountId, preset: str, name: str) -> str | None:
    """Return why a file of this name cannot be an upload; None when it can."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return "the name is not UTF-8"
    if "\\" in name:
        return "the name holds a backslash, which object stores read as a folder"
    if any(folder.endswith(_VERSIONS) for folder in name.split("/")[:-1]):
        return f"a folder's name ends in {_VERSIONS}, which object stores keep for themselves"
    parsed = keys.parse_upload_key(keys.input_key(account_id, preset, name))
    match parsed:
        case keys.UploadKey():
            return None
        case keys.MalformedKey():
            return parsed.reason
        case None:
            return "the name ends in a slash"


def target_of(folder: Path, name: str) -> Path | None:
    """Return the file below `folder` for an object's name; None when it would not lie there.

    Folders that exist are resolved, so that no link within leads out either.
    """
    parts = name.split("/")
    odd = any(part in ("", ".", "..") for part in parts)
    if odd or any(each in name for each in _NOT_IN_FILE_NAMES):
        return None
    target = folder.joinpath(*parts)
    inside = target.is_relative_to(folder) and target.drive == folder.drive
    return target if inside and target.parent.resolve().is_relative_to(folder.resolve()) else None


def _raise(error: OSError) -> None:
    raise error
