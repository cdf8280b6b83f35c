"""Files as the decoder takes them: whole, and not larger than it takes."""

import os
from pathlib import Path

from processors.images.errors import FileTooLarge
from schemas.sizes import MAX_FILE_BYTES


def bytes_of(path: Path) -> bytes:
    """Return what a file holds. Raises `FileTooLarge` before more is read, or `OSError`."""
    with path.open("rb") as file:
        body = file.read(MAX_FILE_BYTES + 1)
        size = max(len(body), os.fstat(file.fileno()).st_size)
    if size > MAX_FILE_BYTES:
        raise FileTooLarge(f"{size} bytes are more than {MAX_FILE_BYTES}")
    return body
