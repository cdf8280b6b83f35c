"""Send a folder's files to an account's uploads, each once."""

import mimetypes
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from cli.bulk.files import LocalFile, unfit
from cli.bulk.parallel import in_parallel
from cli.bulk.patience import patiently
from infra.local_etag import has_etag
from infra.object_store import ObjectInfo, S3ObjectStore, StoreError, StoreUnavailable
from schemas import keys
from schemas.ids import AccountId

OnBytes = Callable[[LocalFile, int], None]


@dataclass(frozen=True, slots=True)
class Uploaded:
    """The file is in the store; `sent` is False when it already was."""

    file: LocalFile
    key: str
    etag: str
    sent: bool


@dataclass(frozen=True, slots=True)
class NotUploaded:
    """The file is not in the store, for this reason."""

    file: LocalFile
    reason: str


def present(store: S3ObjectStore, account_id: AccountId, preset: str) -> dict[str, ObjectInfo]:
    """Return what is there of an account's uploads for a preset, by key: one listing."""
    prefix = keys.input_key(account_id, preset, "")
    return patiently(lambda: {each.key: each for page in store.list(prefix) for each in page})


def upload_files(
    store: S3ObjectStore,
    files: Iterable[LocalFile],
    already: Mapping[str, ObjectInfo],
    *,
    account_id: AccountId,
    preset: str,
    parallel: int,
    on_bytes: OnBytes,
) -> Iterator[Uploaded | NotUploaded]:
    """Upload every file that is not in `already` with its size and ETag; yield each outcome.

    `on_bytes` is called, from several threads, with the bytes that a file is further.
    Raises `StoreUnavailable` when the store is away for longer than is waited for.
    """

    def upload(file: LocalFile) -> Uploaded | NotUploaded:
        if reason := unfit(account_id, preset, file.name):
            return NotUploaded(file, reason)
        key = keys.input_key(account_id, preset, file.name)
        try:
            there = already.get(key)
            if there and there.size == file.size and has_etag(file.path, there.etag):
                on_bytes(file, file.size)
                return Uploaded(file, key, there.etag, sent=False)
            return Uploaded(file, key, _send(store, file, key, on_bytes), sent=True)
        except StoreUnavailable:
            raise
        except (StoreError, OSError) as error:
            return NotUploaded(file, str(error))

    return in_parallel(upload, files, parallel)


def _send(store: S3ObjectStore, file: LocalFile, key: str, on_bytes: OnBytes) -> str:
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    told = 0

    def tell(count: int) -> None:
        nonlocal told
        told += count
        on_bytes(file, count)

    def send() -> str:
        # What an earlier attempt has told is taken back.
        tell(-told)
        return store.put_file(key, file.path, kind, tell)

    return patiently(send)
