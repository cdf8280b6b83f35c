"""The ETag that the object store will give a file, computed from the file alone.

In one PUT it is the MD5 of the bytes. In parts it is the MD5 of the parts' MD5s, a dash
and their number, so it depends on the parts' size.
"""

import hashlib
from pathlib import Path
from typing import BinaryIO

from infra.object_store import PART_BYTES

_CHUNK = 1024 * 1024


def local_etag(path: Path) -> str:
    """Return the ETag of a file once `S3ObjectStore.put_file` has stored it, unquoted."""
    with path.open("rb") as file:
        if path.stat().st_size <= PART_BYTES:
            return hashlib.file_digest(file, _md5).hexdigest()
        return _in_parts(file)


def has_etag(path: Path, etag: str) -> bool:
    """Tell whether a file holds the bytes of an object with this ETag.

    False also where that cannot be told: the object was stored in parts of another size
    than `PART_BYTES`, or encrypted with keys of its own.
    """
    with path.open("rb") as file:
        whole = "-" not in etag
        return etag == (hashlib.file_digest(file, _md5).hexdigest() if whole else _in_parts(file))


def _in_parts(file: BinaryIO) -> str:
    digests: list[bytes] = []
    while digest := _part_digest(file):
        digests.append(digest)
    return f"{_md5(b''.join(digests)).hexdigest()}-{len(digests)}"


def _part_digest(file: BinaryIO) -> bytes | None:
    """Return the MD5 of the next part; None at the file's end."""
    part, left = _md5(), PART_BYTES
    while left and (chunk := file.read(min(_CHUNK, left))):
        part.update(chunk)
        left -= len(chunk)
    return part.digest() if left < PART_BYTES else None


def _md5(data: bytes = b"") -> "hashlib._Hash":
    # The store's own checksum; nothing is kept secret by it.
    return hashlib.md5(data, usedforsecurity=False)
