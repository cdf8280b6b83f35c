"""Fetch an account's results into a folder, each once."""

import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cli.bulk.files import target_of
from cli.bulk.parallel import in_parallel
from cli.bulk.patience import patiently
from infra.local_etag import has_etag
from infra.object_store import S3ObjectStore, StoreError, StoreUnavailable
from schemas import keys
from schemas.ids import AccountId

OnBytes = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Downloaded:
    """The object is in the folder, under `path`; `fetched` is False when it already was."""

    name: str
    path: Path
    size: int
    fetched: bool


@dataclass(frozen=True, slots=True)
class NotDownloaded:
    """The object is not in the folder, for this reason."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Output:
    """An object made for an account: `name` is its key below the account's prefix."""

    name: str
    key: str
    etag: str
    size: int


def outputs(store: S3ObjectStore, account_id: AccountId, prefix: str) -> list[Output]:
    """Return what was made for an account, below a prefix of its own: one listing."""
    own = keys.account_output_prefix(account_id)
    return patiently(
        lambda: [
            Output(each.key.removeprefix(own), each.key, each.etag, each.size)
            for page in store.list(own + prefix)
            for each in page
        ]
    )


def download_objects(
    store: S3ObjectStore,
    found: Iterable[Output],
    folder: Path,
    *,
    parallel: int,
    on_bytes: OnBytes,
) -> Iterator[Downloaded | NotDownloaded]:
    """Write every object that is not in `folder` with its size and ETag; yield each outcome.

    A file appears under its name when it is whole, and never outside the folder, whatever
    the object's key says. `on_bytes` is called, from several threads, with the bytes that
    an object is further. Raises `StoreUnavailable` when the store is away for longer than
    is waited for.
    """

    def download(each: Output) -> Downloaded | NotDownloaded:
        name = each.name
        try:
            path = target_of(folder, name)
            if path is None:
                return NotDownloaded(name, "the key names no file below the folder")
            if path.is_file() and path.stat().st_size == each.size and has_etag(path, each.etag):
                on_bytes(name, each.size)
                return Downloaded(name, path, each.size, fetched=False)
            _fetch(store, each, path, lambda count: on_bytes(name, count))
            return Downloaded(name, path, each.size, fetched=True)
        except StoreUnavailable:
            raise
        except (StoreError, OSError) as error:
            return NotDownloaded(name, str(error))

    return in_parallel(download, found, parallel)


def _fetch(
    store: S3ObjectStore, found: Output, path: Path, on_bytes: Callable[[int], None]
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".picmend-{secrets.token_hex(8)}.part")
    told = 0

    def fetch() -> None:
        nonlocal told
        # What an earlier attempt has told is taken back.
        on_bytes(-told)
        told = 0
        with partial.open("wb") as file:
            for chunk in store.stream(found.key, if_match=found.etag):
                file.write(chunk)
                told += len(chunk)
                on_bytes(len(chunk))

    try:
        patiently(fetch)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
