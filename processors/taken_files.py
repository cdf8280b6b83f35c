"""Files as the decoder takes them: whole, and not larger than it takes."""

import errno
import os
import stat
from pathlib import Path

from processors.images.errors import FileTooLarge
from schemas.sizes import MAX_FILE_BYTES


def bytes_of(path: Path) -> bytes:
    """Return what a file holds. Raises `FileTooLarge` before more is read, or `OSError`.

    A named pipe, a socket or a device is an `OSError`, too, and is not opened: nobody may ever
    write into a pipe, and whoever opens it waits for that.
    """
    mode = path.stat().st_mode
    # A folder fails below, in the system's own words.
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        told = "it is a pipe, a socket or a device; save the picture to a file, and name that"
        raise OSError(errno.EINVAL, told, str(path))
    with path.open("rb") as file:
        body = file.read(MAX_FILE_BYTES + 1)
        size = max(len(body), os.fstat(file.fileno()).st_size)
    if size > MAX_FILE_BYTES:
        raise FileTooLarge(f"{size} bytes are more than {MAX_FILE_BYTES}")
    return body
