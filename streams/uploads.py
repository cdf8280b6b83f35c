"""From finished objects to requested jobs: what intake and the reconciler share."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from domain.catalogue.store import presets_with_mask_file
from domain.jobs.store import known
from infra import logs, metrics, tracing
from infra.clock import Time
from infra.kafka import Message, Producer
from infra.postgres import Pool
from infra.stored_objects import (
    ObjectChanged,
    ObjectInfo,
    ObjectMissing,
    ObjectStore,
    StoreUnavailable,
)
from processors.failures import ProcessingFailure
from processors.images.header import read_header
from schemas import events, ids, keys, topics
from schemas.errors import ErrorCode
from schemas.events import HeaderFacts, JobRequested, MaskSource, Unreadable
from schemas.ids import JobId
from schemas.keys import MalformedKey, UploadKey
from schemas.sizes import MAX_FILE_BYTES

READERS: Final = 24
"""Objects whose headers are read at once."""

ATTEMPTS: Final = 5
"""Tries for an object that alone cannot be read while the store answers."""

_PAUSE_S: Final = 0.1
_DETAIL: Final = 500
_PROBE: Final = b"picmend"
_log = logs.logger(__name__)


@dataclass(frozen=True, slots=True)
class Upload:
    """A finished object under `in/`. `place` is what its key means."""

    key: str
    etag: str
    version_id: str | None
    size: int
    at: datetime
    place: UploadKey | MalformedKey


@dataclass(frozen=True, slots=True)
class _Asked:
    """An upload that is to become a job, with the mask that came with it."""

    job_id: JobId
    upload: Upload
    mask: ObjectInfo | None


Facts = HeaderFacts | Unreadable
FoundBy = Literal["event", "reconciler"]


class Announcer:
    """Asks for one job per finished upload that has none yet. Reads Postgres, never writes it."""

    def __init__(
        self,
        pool: Pool,
        store: ObjectStore,
        producer: Producer,
        time: Time,
        *,
        mask_wait: timedelta,
        max_bytes: int = MAX_FILE_BYTES,
        readers: Executor | None = None,
    ) -> None:
        self._pool = pool
        self._store = store
        self._producer = producer
        self._time = time
        self._mask_wait = mask_wait
        self._max_bytes = max_bytes
        self._requested = metrics.STAGE_SECONDS.labels(metrics.JobStage.REQUESTED)
        self._readers = readers or ThreadPoolExecutor(READERS, thread_name_prefix="headers")

    def announce(
        self,
        uploads: Sequence[Upload],
        *,
        found_by: FoundBy,
        nearby: Mapping[str, ObjectInfo] | None = None,
    ) -> int:
        """Ask for the jobs of `uploads` that are not known, and return how many those were.

        Returns when the requests are stored. `nearby` are objects that a listing showed
        beside them, so that the other half of a pair need not be asked for. Raises
        `StoreUnavailable` and `BrokerUnavailableError`, and what psycopg raises.
        """
        with self._pool.connection() as conn:
            accounts = {upload.place.account_id for upload in uploads}
            masked = presets_with_mask_file(conn, accounts)
        asked = self._paired(uploads, masked, nearby or {})
        with self._pool.connection() as conn:
            there = known(conn, asked)
        fresh = [one for job_id, one in asked.items() if job_id not in there]
        if not fresh:
            return 0
        begun_ns = tracing.now_ns()
        facts = self._facts([one.upload for one in fresh])
        self._producer.send_all([self._request(one, facts[one.upload], found_by) for one in fresh])
        self._note(fresh, begun_ns)
        return len(fresh)

    def _note(self, asked: Sequence[_Asked], begun_ns: int) -> None:
        now = self._time.now()
        for one in asked:
            self._requested.observe(max(0.0, (now - one.upload.at).total_seconds()))
        if logs.verbose():
            for one in asked:
                with logs.about(account=one.upload.place.account_id, job=one.job_id):
                    _log.debug("job_requested")
        if tracing.on():
            for one in asked:
                tracing.tell_sent(one.job_id, topics.JOB_REQUESTS, begun_ns=begun_ns)

    def _paired(
        self,
        uploads: Iterable[Upload],
        masked: set[tuple[str | None, str]],
        nearby: Mapping[str, ObjectInfo],
    ) -> dict[JobId, _Asked]:
        takes_mask = [
            isinstance(u.place, UploadKey)
            and ((u.place.account_id, u.place.preset) in masked or (None, u.place.preset) in masked)
            for u in uploads
        ]
        alone = [u for u, pair in zip(uploads, takes_mask, strict=True) if not pair]
        halves = [u for u, pair in zip(uploads, takes_mask, strict=True) if pair]
        paired = self._readers.map(lambda half: self._pair(half, nearby), halves)
        asked = [self._ask(upload, None) for upload in alone]
        asked += [one for one in paired if one is not None]
        return {one.job_id: one for one in asked}

    def _ask(self, upload: Upload, mask: ObjectInfo | None) -> _Asked:
        job_id = ids.object_job_id(
            self._store.bucket, upload.key, upload.etag, mask.etag if mask else None
        )
        return _Asked(job_id, upload, mask)

    def _pair(self, half: Upload, nearby: Mapping[str, ObjectInfo]) -> _Asked | None:
        """Find the other half, whichever came first. None: it is waited for, in the store."""
        image_key = keys.masked_image_key(half.key)
        if image_key is None:
            mask = self._look(keys.mask_key(half.key), nearby)
            waited = mask is not None or self._time.now() - half.at >= self._mask_wait
            return self._ask(half, mask) if waited else None
        image, mask = self._look(image_key, nearby), self._look(half.key, nearby)
        place = keys.parse_upload_key(image_key)
        if image is None or mask is None or place is None:
            return None
        upload = Upload(
            image.key, image.etag, image.version_id, image.size, image.last_modified, place
        )
        return self._ask(upload, mask)

    def _look(self, key: str, nearby: Mapping[str, ObjectInfo]) -> ObjectInfo | None:
        if key in nearby:
            return nearby[key]
        try:
            return self._store.head(key)
        except ObjectMissing:
            return None

    def _facts(self, uploads: Sequence[Upload]) -> dict[Upload, Facts]:
        """Read the headers, many at once.

        A store that is away is waited for by whoever called; an object that alone cannot be
        read, while the store answers, is given up after `ATTEMPTS`.
        """
        facts: dict[Upload, Facts] = {}
        waiting = list(uploads)
        for attempt in range(ATTEMPTS):
            if attempt:
                self._store_must_read()
                self._time.sleep(_PAUSE_S * 2**attempt)
            read = list(self._readers.map(self._read, waiting))
            facts.update(
                (upload, found)
                for upload, found in zip(waiting, read, strict=True)
                if not isinstance(found, StoreUnavailable)
            )
            waiting = [upload for upload in waiting if upload not in facts]
            if not waiting:
                return facts
        self._store_must_read()
        detail = f"the object store did not give it in {ATTEMPTS} attempts"
        unreadable = Unreadable(code=ErrorCode.SOURCE_UNREADABLE, detail=detail)
        return facts | dict.fromkeys(waiting, unreadable)

    def _read(self, upload: Upload) -> Facts | StoreUnavailable:
        if isinstance(upload.place, MalformedKey):
            return Unreadable(code=upload.place.code, detail=upload.place.reason[:_DETAIL])
        if upload.size > self._max_bytes:
            detail = f"{upload.size} bytes; {self._max_bytes} are taken"
            return Unreadable(code=ErrorCode.FILE_TOO_LARGE, detail=detail)
        try:
            header = read_header(
                lambda start, end: self._store.get_range(
                    upload.key, start, end, if_match=upload.etag, version_id=upload.version_id
                ),
                upload.size,
            )
        except (ObjectMissing, ObjectChanged):
            detail = "it was deleted or overwritten before it was read"
            return Unreadable(code=ErrorCode.SOURCE_CHANGED, detail=detail)
        except ProcessingFailure as error:
            return Unreadable(code=ErrorCode(error.code), detail=str(error)[:_DETAIL])
        except StoreUnavailable as error:
            return error
        return HeaderFacts(
            format=header.format,
            width=header.width,
            height=header.height,
            has_alpha=header.has_alpha,
            frames=header.frames_hint,
        )

    def _store_must_read(self) -> None:
        """Raise `StoreUnavailable` unless the store takes an object and gives it back.

        That it tells of objects is not enough: one that has just come back does so before it
        reads them.
        """
        self._store.put(keys.PROBE_KEY, _PROBE, "application/octet-stream")
        try:
            self._store.get_range(keys.PROBE_KEY, 0, len(_PROBE))
        except ObjectMissing as error:
            raise StoreUnavailable("the store does not give what it has just taken") from error

    def _request(self, asked: _Asked, facts: Facts, found_by: FoundBy) -> Message:
        upload, mask = asked.upload, asked.mask
        if mask is not None and mask.size > self._max_bytes:
            detail = f"the mask has {mask.size} bytes; {self._max_bytes} are taken"
            facts = Unreadable(code=ErrorCode.FILE_TOO_LARGE, detail=detail)
        data = JobRequested(
            job_id=asked.job_id,
            account_id=upload.place.account_id,
            preset=upload.place.preset,
            bucket=self._store.bucket,
            key=upload.key,
            etag=upload.etag,
            version_id=upload.version_id,
            size=upload.size,
            header=facts if isinstance(facts, HeaderFacts) else None,
            problem=facts if isinstance(facts, Unreadable) else None,
            mask=(
                MaskSource(key=mask.key, etag=mask.etag, version_id=mask.version_id, size=mask.size)
                if mask
                else None
            ),
            found_by=found_by,
            uploaded_at=upload.at,
        )
        event = events.job_requested(data, at=self._time.now())
        return Message(topics.JOB_REQUESTS, event.partitionkey.encode(), event.encode())


def upload_of(
    key: str, *, etag: str, version_id: str | None, size: int, at: datetime
) -> Upload | None:
    """Return the upload that an object is, or None for one that is none."""
    place = keys.parse_upload_key(key)
    return Upload(key, etag, version_id, size, at, place) if place is not None else None
