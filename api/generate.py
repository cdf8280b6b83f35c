"""Writes the OpenAPI file anew: `python -m api.generate`, or `make schemas`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from api.app import create_app
from api.documented import describe
from api.services import Services
from schemas.json_schemas import encode

OPENAPI_FILE: Final = Path(__file__).with_name("openapi.json")


def openapi() -> bytes:
    """Return the OpenAPI file; the same code makes the same bytes. Needs no server."""
    return encode(describe(create_app(_none)))


def main() -> None:
    """Bring the file up to date and say whether it changed."""
    wanted = openapi()
    if OPENAPI_FILE.exists() and OPENAPI_FILE.read_bytes() == wanted:
        sys.stdout.write("up to date\n")
        return
    OPENAPI_FILE.write_bytes(wanted)
    sys.stdout.write("changed: api/openapi.json\n")


@contextmanager
def _none() -> Iterator[Services]:
    raise RuntimeError("this application is only described, never started")
    yield


if __name__ == "__main__":
    main()
