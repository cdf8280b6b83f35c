"""Apache Kafka's jars, cached per user and checked against the digests shipped here.

The jar resolver verifies nothing it downloads, so every jar is hashed, both after a build
and on every use of the cache (44 MB, about 0.1 s).
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from infra.stack.errors import MissingServersError

VERSION: Final = "4.2.0"
_ENDPOINT: Final = f"org.apache.kafka:kafka_2.13:{VERSION}"
_DIGESTS: Final = Path(__file__).with_name(f"kafka-{VERSION}.sha256")


def cache_dir() -> Path:
    """Return the folder for what one user's stacks share: `$XDG_CACHE_HOME/picmend`."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "picmend"


def kafka_jars(cache: Path | None = None) -> tuple[Path, ...]:
    """Return Kafka's jars, downloading them the first time (7 to 24 s).

    Works offline once they are cached. Raises `MissingServersError` when they cannot be
    fetched intact.
    """
    root = cache or cache_dir()
    target = root / f"kafka-{VERSION}"
    wanted = _digests()
    if damage(target, wanted) is None:
        return _paths(target, wanted)
    root.mkdir(parents=True, exist_ok=True)
    with (root / f"kafka-{VERSION}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if damage(target, wanted) is None:
            return _paths(target, wanted)
        shutil.rmtree(target, ignore_errors=True)
        building = root / f"kafka-{VERSION}.building"
        try:
            _build(building, target, wanted)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return _paths(target, wanted)


def jars_cached() -> bool:
    """Whether every jar is in the cache and intact, so that a start needs no network."""
    return damage(cache_dir() / f"kafka-{VERSION}", _digests()) is None


def damage(folder: Path, wanted: Mapping[str, str]) -> str | None:
    """Return what is wrong with the jars of `folder`, or None when each is intact."""
    for name, digest in wanted.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                return f"{name} has another sha256 than {_DIGESTS.name} says"
    return None


def _build(building: Path, target: Path, wanted: Mapping[str, str]) -> None:
    # The resolver's own two places, its repository and its environments, are inside
    # `building`: whatever they hold, whole or junk, is gone afterwards.
    shutil.rmtree(building, ignore_errors=True)
    flat = building / "jars"
    flat.mkdir(parents=True)
    for jar in _resolve(building):
        shutil.copyfile(jar, flat / jar.name)
    wrong = damage(flat, wanted)
    if wrong is not None:
        raise MissingServersError(
            f"Kafka {VERSION} was downloaded damaged: {wrong}; check the network's proxy and "
            "run the command again"
        )
    flat.replace(target)


def _resolve(building: Path) -> tuple[Path, ...]:
    try:
        from jgo.env import EnvironmentBuilder  # noqa: PLC0415 - only a cold start needs it
        from jgo.maven import MavenContext  # noqa: PLC0415 - as above
    except ImportError as error:
        raise MissingServersError(
            "the local servers are not installed; run `pip install 'picmend[stack]'`"
        ) from error
    try:
        context = MavenContext(repo_cache=building / "repository")
        builder = EnvironmentBuilder(context=context, cache_dir=building / "environments")
        jars: list[Path] = builder.from_endpoint(endpoint=_ENDPOINT).all_jars
    except Exception as error:
        # jgo lets whatever its downloads and parsers raise pass through.
        raise MissingServersError(
            f"cannot download Kafka {VERSION} ({type(error).__name__}: {error}); it is fetched "
            "once, from Maven Central: check the network and run the command again"
        ) from error
    return tuple(jars)


def _digests() -> dict[str, str]:
    pairs = (line.split() for line in _DIGESTS.read_text().splitlines())
    return {name: digest for digest, name in pairs}


def _paths(folder: Path, wanted: Mapping[str, str]) -> tuple[Path, ...]:
    return tuple(folder / name for name in wanted)
