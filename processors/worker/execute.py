"""One attempt of one job: fetch, decode, restore, store; what came of it as a value."""

import hashlib
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from domain.jobs.model import Header, Job, StoredObject, result_key
from infra import tracing
from infra.clock import Time
from infra.logs import logger
from infra.stored_objects import (
    ObjectChanged,
    ObjectMissing,
    ObjectStore,
    ObjectTooLarge,
)
from processors.content import ContentForbidden
from processors.engine.room import Room
from processors.engine.tiled import Cancelled
from processors.failures import ModelUnavailable, ProcessingFailure
from processors.images.decoder import Decoder
from processors.images.encode import EXTENSIONS, MEDIA_TYPES, encode
from processors.images.errors import DecodeLimitReached
from processors.images.image import Image
from processors.images.provenance import AigcLabel
from processors.operations import Report, Restorer
from processors.operations.marking import made_by
from processors.sandbox.sandbox import ChildNotStarted
from processors.worker.leases import Lease, Leases
from processors.worker.patience import Patience, go_on
from schemas.errors import ErrorCode
from schemas.events import ModelUsed, StoredResult, WorkReport
from schemas.operations import (
    IdentityParameters,
    ImageFormat,
    PictureOperation,
    output_format,
)
from schemas.sizes import MAX_RESULT_PIXELS, result_size
from schemas.warnings import Warned

_DETAIL: Final = 500
_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The result is in the object store."""

    result: StoredResult
    report: WorkReport


@dataclass(frozen=True, slots=True)
class Failed:
    """There is no result, and trying again would not bring one."""

    code: ErrorCode
    detail: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The content rules forbid it."""

    category: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """It was asked to stop, and did."""


Outcome = Succeeded | Failed | Refused | Stopped


class SourceChangedError(Exception):
    """The source is no longer what was admitted; the message says how."""


@dataclass(slots=True)
class _Timer:
    """Times what is done to a picture; waiting for room, or to be stored, is no phase."""

    phases_ms: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str, lease: Lease) -> Iterator[None]:
        begun = time.perf_counter()
        with tracing.span(name):
            yield
        self.phases_ms[name] = round((time.perf_counter() - begun) * 1000, 1)
        lease.progress()


@dataclass(frozen=True, slots=True)
class _File:
    """A result that is to be stored."""

    body: bytes
    form: ImageFormat
    width: int
    height: int


class Executor:
    """Runs attempts. Safe to share between threads.

    Pictures wait, before they are fetched, while those in hand and their results have
    `pixels_in_hand` together; one that has more by itself is alone.
    """

    def __init__(
        self,
        store: ObjectStore,
        leases: Leases,
        decoder: Decoder,
        restorer: Restorer,
        time: Time,
        *,
        max_bytes: int,
        pixels_in_hand: int = MAX_RESULT_PIXELS,
        aigc_producer: str | None = None,
    ) -> None:
        self._store = store
        self._leases = leases
        self._decoder = decoder
        self._restorer = restorer
        self._patience = Patience(time)
        self._max_bytes = max_bytes
        self._room = Room(pixels_in_hand)
        self._aigc_producer = aigc_producer

    def run(self, lease: Lease) -> Outcome:
        """Carry an attempt through and return what came of it.

        Raises `LeaseLostError`, after which there is nothing to report, and one of
        `NOT_THE_JOBS`, of which nothing is to be reported either.
        """
        try:
            return self._run(lease)
        except Cancelled:
            # Asked for by the lease alone: either it is lost, or the client cancelled.
            self._leases.confirm(lease)
            return Stopped()
        except SourceChangedError as error:
            return Failed(ErrorCode.SOURCE_CHANGED, str(error))
        except ContentForbidden as error:
            return Refused(error.category)
        except ModelUnavailable as error:
            # Every job that wants it fails so, and only an operator can mend it.
            _log.error("model_unavailable", job=lease.job.id, error=str(error))
            return Failed(error.code, error.found[:_DETAIL])
        except ChildNotStarted:
            # A kind of the failures below, but not the picture's.
            raise
        except ProcessingFailure as error:
            return Failed(error.code, str(error)[:_DETAIL])
        except MemoryError:
            return Failed(
                ErrorCode.PROCESSING_FAILED, "the picture needs more memory than there is"
            )

    def _run(self, lease: Lease) -> Outcome:
        parameters, header = lease.job.parameters, lease.job.header
        if parameters is None or header is None:
            raise ValueError(f"{lease.job.id} runs without parameters or header")
        if isinstance(parameters, IdentityParameters):
            return self._copy(lease, parameters, header)
        with self._room.taken(_pixels_in_hand(parameters, header), lambda: go_on(lease)):
            return self._restore(lease, parameters)

    def _copy(self, lease: Lease, parameters: IdentityParameters, header: Header) -> Outcome:
        timer = _Timer()
        with timer.phase("fetch", lease):
            data = self._fetch_source(lease)
        form = output_format(parameters, header.format, has_alpha=header.has_alpha)
        report = WorkReport(phases_ms=timer.phases_ms)
        return self._store_result(lease, _File(data, form, header.width, header.height), report)

    def _restore(self, lease: Lease, parameters: PictureOperation) -> Outcome:
        job, timer = lease.job, _Timer()
        with timer.phase("fetch", lease):
            data = self._fetch_source(lease)
            mask_data = self._fetch(job.mask, lease) if job.mask else None
        with timer.phase("decode", lease):
            image = self._decode(data, lease)
            # Each may take a decoder nearly as long as a lease waits for progress.
            lease.progress()
            mask = self._decode(mask_data, lease) if mask_data is not None else None
        _must_be_as_admitted(job, image)
        with timer.phase("restore", lease):
            restored = self._patience.with_a_child(
                lambda: self._restorer.restore(
                    parameters,
                    image,
                    mask,
                    progress=lambda _done, _total: lease.progress(),
                    should_stop=lease.should_stop,
                ),
                lease,
            )
        done = restored.image
        form = output_format(parameters, image.source_format, has_alpha=done.alpha is not None)
        with timer.phase("encode", lease):
            encoded = encode(
                done,
                form,
                parameters,
                made_by=made_by(parameters.operation, restored.report, self._label(job)),
                before_attempt=lambda: go_on(lease),
            )
        file = _File(encoded.body, form, done.width, done.height)
        warnings = (*image.warnings, *restored.report.warnings, *encoded.warnings)
        report = _work_report(restored.report, timer, warnings)
        return self._store_result(lease, file, report)

    def _label(self, job: Job) -> AigcLabel | None:
        if self._aigc_producer is None:
            return None
        return AigcLabel(self._aigc_producer, job.id)

    def _decode(self, data: bytes, lease: Lease) -> Image:
        try:
            return self._patience.with_a_child(
                lambda: self._decoder.decode(data, should_stop=lease.should_stop), lease
            )
        except DecodeLimitReached as error:
            # A decoder that was stopped ends as one that hit a limit does.
            if lease.should_stop():
                raise Cancelled from error
            raise

    def _fetch_source(self, lease: Lease) -> bytes:
        data = self._fetch(lease.job.source, lease)
        lease.source_sha256 = hashlib.sha256(data).hexdigest()
        return data

    def _fetch(self, source: StoredObject, lease: Lease) -> bytes:
        try:
            return self._patience.with_the_store(
                lambda: self._store.get(
                    source.key,
                    max_bytes=self._max_bytes,
                    if_match=source.etag,
                    version_id=source.version_id,
                ),
                lease,
            )
        except (ObjectMissing, ObjectChanged, ObjectTooLarge) as error:
            raise SourceChangedError(
                f"{source.key} was deleted or overwritten before it was processed"
            ) from error

    def _store_result(self, lease: Lease, file: _File, report: WorkReport) -> Outcome:
        key = result_key(lease.job, EXTENSIONS[file.form])
        media_type = MEDIA_TYPES[file.form]
        if lease.should_stop():
            raise Cancelled
        self._leases.confirm(lease)
        with tracing.span("store"):
            etag = self._patience.with_the_store(
                lambda: self._store.put(key, file.body, media_type), lease
            )
        result = StoredResult(
            key=key,
            etag=etag,
            size=len(file.body),
            media_type=media_type,
            width=file.width,
            height=file.height,
        )
        return Succeeded(result, report)


def _must_be_as_admitted(job: Job, image: Image) -> None:
    """Refuse a picture of another size than the header's, by which it was priced."""
    header = job.header
    if header is not None and image.source_size != (header.width, header.height):
        width, height = image.source_size
        raise SourceChangedError(
            f"the picture is {width}x{height}, its header said {header.width}x{header.height}"
        )


def _pixels_in_hand(parameters: PictureOperation, header: Header) -> int:
    return header.pixels + math.prod(result_size(parameters, header.width, header.height))


def _work_report(report: Report, timer: _Timer, warnings: tuple[Warned, ...]) -> WorkReport:
    last = report.models[-1] if report.models else None
    return WorkReport(
        model=last.name if last else None,
        weights_sha256=last.weights_sha256 if last else None,
        models=[
            ModelUsed(name=used.name, weights_sha256=used.weights_sha256) for used in report.models
        ],
        tiles=report.tiles,
        precision=report.precision,
        device=report.device,
        phases_ms=timer.phases_ms,
        warnings=list(dict.fromkeys(warnings)),
    )
