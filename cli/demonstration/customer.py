"""The customer of the demonstration: uploads and downloads with the account's own credentials."""

import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cli.bulk.parallel import in_parallel
from cli.bulk.patience import patiently
from cli.demonstration.samples import Impostor, Sample
from infra.clock import Clock
from infra.object_store import S3ObjectStore
from schemas import keys
from schemas.ids import AccountId, JobId, object_job_id

_AT_ONCE: Final = 4
_PAUSE_S: Final = 0.3
_MAX_RESULT_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sent:
    """An upload that the store has; `at` is when its last PUT returned, by the clock here."""

    sample: Sample | Impostor
    job_id: JobId
    at: datetime


@dataclass(frozen=True, slots=True)
class Arrived:
    """What came of an upload: its result, or the document that says why there is none."""

    job_id: JobId
    extension: str
    is_problem: bool
    body: bytes


class Customer:
    """One account at its object store; it knows nothing but its own prefixes and keys."""

    def __init__(self, store: S3ObjectStore, account_id: AccountId, clock: Clock) -> None:
        self._store = store
        self._account_id = account_id
        self._clock = clock

    def send(self, samples: Iterable[Sample | Impostor]) -> Iterator[Sent]:
        """Upload each sample, a few at once; yield each as soon as the store has it.

        Raises `StoreError`.
        """
        return in_parallel(self._send, samples, _AT_ONCE)

    def receive(self, jobs: Collection[JobId], *, deadline: float) -> Iterator[Arrived]:
        """Yield what came of jobs as it appears, until all have come or `deadline` (monotonic).

        Raises `StoreError`.
        """
        waiting = set(jobs)
        while waiting and time.monotonic() < deadline:
            for key in self._outputs():
                output = keys.parse_output_key(key)
                if output is None or output.job_id not in waiting:
                    continue
                waiting.discard(output.job_id)
                yield Arrived(
                    job_id=output.job_id,
                    extension=output.extension,
                    is_problem=output.is_problem,
                    body=self._store.get(key, max_bytes=_MAX_RESULT_BYTES),
                )
            if waiting:
                time.sleep(_PAUSE_S)

    def _send(self, sample: Sample | Impostor) -> Sent:
        key = keys.input_key(self._account_id, sample.preset, sample.path)
        mask_etag = None
        if sample.mask is not None:
            mask_etag = self._store.put(keys.mask_key(key), sample.mask, "image/png")
        etag = self._store.put(key, sample.body, sample.media_type)
        at = self._clock.now()
        return Sent(sample, object_job_id(self._store.bucket, key, etag, mask_etag), at)

    def _outputs(self) -> list[str]:
        prefix = keys.account_output_prefix(self._account_id)
        return patiently(lambda: [each.key for page in self._store.list(prefix) for each in page])
