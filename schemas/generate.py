"""Writes the JSON Schema and AsyncAPI files: `python -m schemas.generate`, or `make schemas`."""

import sys
from pathlib import Path
from typing import Final

from schemas.asyncapi import asyncapi
from schemas.json_schemas import encode, json_schemas

ROOT: Final = Path(__file__).parent
JSON_FOLDER: Final = "json"
ASYNCAPI_FILE: Final = "asyncapi.json"


def generated() -> dict[str, bytes]:
    """Return every generated file: its path below this package, and its bytes.

    The same code makes the same bytes, on any machine and in any order of calls.
    """
    files = {f"{JSON_FOLDER}/{name}": encode(document) for name, document in json_schemas().items()}
    files[ASYNCAPI_FILE] = encode(asyncapi(JSON_FOLDER))
    return dict(sorted(files.items()))


def present(root: Path = ROOT) -> dict[str, bytes]:
    """Return the generated files that lie below `root`, as `generated` would name them."""
    paths = [*(root / JSON_FOLDER).glob("*.json"), *root.glob(ASYNCAPI_FILE)]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(paths)}


def write(root: Path = ROOT) -> list[str]:
    """Bring the files below `root` up to date, and return the names of those that changed."""
    wanted, found = generated(), present(root)
    (root / JSON_FOLDER).mkdir(parents=True, exist_ok=True)
    for name in found.keys() - wanted.keys():
        (root / name).unlink()
    for name, content in wanted.items():
        if found.get(name) != content:
            (root / name).write_bytes(content)
    return sorted(
        name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)
    )


def main() -> None:
    """Bring the files up to date and say which changed."""
    changed = write()
    sys.stdout.write("".join(f"changed: schemas/{name}\n" for name in changed) or "up to date\n")


if __name__ == "__main__":
    main()
