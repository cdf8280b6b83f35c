"""Files that appear under their name when they are whole, or not at all."""

import errno
import os
import secrets
from pathlib import Path

_MODE = 0o666


def write_whole(path: Path, body: bytes, *, replace: bool) -> None:
    """Write a file, making the folders above it.

    A process that is killed meanwhile leaves nothing, where the system has files without names
    (Linux, on most file systems); elsewhere a hidden file that ends in `.part`. Raises
    `FileExistsError` when there is one of that name that is not to be replaced, else another
    `OSError`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        # Not of the file's name: a file is where its folder should be.
        no_folder = os.strerror(errno.ENOTDIR)
        raise NotADirectoryError(errno.ENOTDIR, no_folder, str(path.parent)) from error
    if not replace and path.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    partial = path.with_name(f".picmend-{secrets.token_hex(8)}.part")
    try:
        if not _linked_when_whole(partial, body):
            partial.write_bytes(body)
        if replace:
            partial.replace(path)
        else:
            _named(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _named(partial: Path, path: Path) -> None:
    """Give a file its name, by a link: unlike a renaming, it fails where the name is taken."""
    try:
        path.hardlink_to(partial)
    except FileExistsError:
        raise
    except OSError:
        # The file system has no links.
        partial.rename(path)


def _linked_when_whole(path: Path, body: bytes) -> bool:
    """Write a file that has no name until it is whole; tell whether that can be done here."""
    nameless = getattr(os, "O_TMPFILE", None)
    if nameless is None:
        return False
    try:
        descriptor = os.open(path.parent, nameless | os.O_WRONLY, _MODE)
    except OSError:
        # The file system has none such.
        return False
    with os.fdopen(descriptor, "wb") as file:
        file.write(body)
        file.flush()
        try:
            os.link(f"/proc/self/fd/{descriptor}", path, follow_symlinks=True)
        except OSError:
            return False
    return True
