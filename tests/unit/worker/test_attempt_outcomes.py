"""What becomes of one attempt, as a value; nothing is stored that must not be."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from structlog.testing import capture_logs

from domain.jobs.model import Job
from infra.clock import SystemClock
from infra.stored_objects import AccessDenied, StoreUnavailable
from processors.images.decoder import Decoder
from processors.images.errors import DecodeLimitReached
from processors.images.image import Image
from processors.models.files import SETTING
from processors.operations import Restorer
from processors.sandbox.sandbox import ChildNotStarted
from processors.worker.execute import Executor, Failed, Stopped, Succeeded
from processors.worker.leases import Lease, LeaseLostError, Leases
from processors.worker.patience import CHILD_S
from schemas.errors import ErrorCode
from schemas.ids import JobId
from schemas.operations import FacesParameters, ImageFormat, UpscaleParameters
from tests.unit.domain.samples import JOB
from tests.unit.worker.work_fakes import MemoryStore

RESULT = f"out/acc_7k2q/identity/a/照片 1.jpg.{JOB.id}.jpg"
UPSCALE = replace(JOB, parameters=UpscaleParameters(model="fast"))


class StoppedDecoder(Decoder):
    """A decoder whose process is killed before it answers, as its `should_stop` wants it to be."""

    def __init__(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self._meanwhile = meanwhile

    def decode(self, data: bytes, *, should_stop: Callable[[], bool] = lambda: False) -> Image:  # noqa: ARG002 - as in `Decoder`
        self._meanwhile()
        raise DecodeLimitReached("decoding was stopped: the child was stopped")


class BrokenDecoder(Decoder):
    """A decoder whose process cannot start, the first so many `times`, or ever."""

    def __init__(
        self, times: float = math.inf, meanwhile: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__()
        self._times = times
        self._meanwhile = meanwhile
        self.tried = 0

    def decode(self, data: bytes, *, should_stop: Callable[[], bool] = lambda: False) -> Image:  # noqa: ARG002 - as in `Decoder`
        self.tried += 1
        self._meanwhile()
        if self.tried <= self._times:
            raise ChildNotStarted("the child ended with status 1 before it was ready", 1)
        raise DecodeLimitReached("decoding was stopped")


class Hurried(SystemClock):
    """A clock on which a pause takes no time and a minute is over."""

    def __init__(self) -> None:
        self._later_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self._later_s

    def sleep(self, seconds: float) -> None:  # noqa: ARG002 - as in `Time`
        self._later_s += CHILD_S + 1


class ReadyDecoder(Decoder):
    """A decoder that has the picture already."""

    def decode(self, data: bytes, *, should_stop: Callable[[], bool] = lambda: False) -> Image:  # noqa: ARG002 - as in `Decoder`
        return Image(
            pixels=np.zeros((30, 40, 3), np.uint8),
            alpha=None,
            icc=None,
            source_format=ImageFormat.JPEG,
            source_size=(40, 30),
        )


@dataclass
class Attempt:
    """One attempt, with all that it runs on."""

    store: MemoryStore
    running: dict[JobId, bool] = field(default_factory=lambda: {JOB.id: False})
    decoder: Decoder = field(default_factory=Decoder)

    def __post_init__(self) -> None:
        self.leases = Leases(
            lambda attempts: {job: self.running[job] for job, _ in attempts if job in self.running},
            SystemClock(),
            lease_s=15,
            renewal_s=5,
        )

    def open(self, job: Job = JOB) -> Lease:
        return self.leases.open(job)

    def run(self, lease: Lease) -> object:
        with Restorer() as restorer:
            executor = Executor(
                self.store, self.leases, self.decoder, restorer, SystemClock(), max_bytes=100
            )
            return executor.run(lease)


@pytest.fixture
def attempt() -> Attempt:
    return Attempt(MemoryStore({JOB.source.key: (JOB.source.etag, b"as it came")}))


def test_identity_stores_the_very_bytes_and_says_where(attempt: Attempt) -> None:
    outcome = attempt.run(attempt.open())

    assert isinstance(outcome, Succeeded)
    assert attempt.store.objects[RESULT] == ("0c", b"as it came")
    assert outcome.result.model_dump() == {
        "key": RESULT,
        "etag": "0c",
        "size": 10,
        "media_type": "image/jpeg",
        "width": 40,
        "height": 30,
    }
    assert set(outcome.report.phases_ms) == {"fetch"}


def test_a_source_that_is_gone_changed_or_grown_has_changed(attempt: Attempt) -> None:
    for objects in (
        {},
        {JOB.source.key: ("another", b"as it came")},
        {JOB.source.key: (JOB.source.etag, b"x" * 101)},
    ):
        attempt.store.objects = objects
        outcome = attempt.run(attempt.open())

        assert isinstance(outcome, Failed)
        assert outcome.code is ErrorCode.SOURCE_CHANGED
    assert attempt.store.done == []


@pytest.mark.parametrize("error", [StoreUnavailable("away"), AccessDenied("not with this key")])
def test_a_store_that_is_away_or_denies_us_is_waited_for(
    attempt: Attempt, error: Exception
) -> None:
    troubles = {"get": 1, "put": 1}

    def trouble(verb: str, _key: str) -> None:
        if troubles[verb]:
            troubles[verb] -= 1
            raise error

    attempt.store.before = trouble

    assert isinstance(attempt.run(attempt.open()), Succeeded)
    assert troubles == {"get": 0, "put": 0}


def test_a_cancelled_attempt_stops_while_it_waits_for_the_store(attempt: Attempt) -> None:
    lease = attempt.open()

    def away(_verb: str, _key: str) -> None:
        lease.cancel = True
        raise StoreUnavailable("away")

    attempt.store.before = away

    assert attempt.run(lease) == Stopped()


def test_a_cancellation_after_the_fetch_stores_nothing(attempt: Attempt) -> None:
    lease = attempt.open()

    def cancelled_meanwhile(_verb: str, _key: str) -> None:
        lease.cancel = True

    attempt.store.before = cancelled_meanwhile

    assert attempt.run(lease) == Stopped()
    assert attempt.store.done == [f"get {JOB.source.key}"]


def test_a_lost_attempt_stores_nothing_and_has_nothing_to_report(attempt: Attempt) -> None:
    lease = attempt.open()

    def lost_meanwhile(_verb: str, _key: str) -> None:
        lease.lost = True

    attempt.store.before = lost_meanwhile

    with pytest.raises(LeaseLostError):
        attempt.run(lease)
    assert attempt.store.done == [f"get {JOB.source.key}"]


def test_an_old_lease_is_asked_for_before_anything_is_stored(attempt: Attempt) -> None:
    lease = attempt.open()

    def taken_meanwhile(_verb: str, _key: str) -> None:
        lease.renewed_at -= 11
        attempt.running.clear()

    attempt.store.before = taken_meanwhile

    with pytest.raises(LeaseLostError):
        attempt.run(lease)
    assert attempt.store.done == [f"get {JOB.source.key}"]


def test_a_cancellation_while_decoding_is_no_fault_of_the_picture(attempt: Attempt) -> None:
    lease = attempt.open(UPSCALE)

    def cancelled() -> None:
        lease.cancel = True

    attempt.decoder = StoppedDecoder(cancelled)

    assert attempt.run(lease) == Stopped()


def test_a_picture_that_stops_its_decoder_fails_with_that_code(attempt: Attempt) -> None:
    attempt.decoder = StoppedDecoder()

    outcome = attempt.run(attempt.open(UPSCALE))

    assert isinstance(outcome, Failed)
    assert outcome.code is ErrorCode.DECODE_LIMIT


def test_a_decoder_that_starts_at_the_second_try_is_waited_for_and_told_in_the_log(
    attempt: Attempt,
) -> None:
    attempt.decoder = BrokenDecoder(times=1)

    with capture_logs() as log:
        attempt.run(attempt.open(UPSCALE))

    assert attempt.decoder.tried == 2
    told = [line for line in log if line["event"] == "decoder_not_started"]
    assert [line["log_level"] for line in told] == ["error"]
    assert "status 1" in told[0]["error"]


def test_a_decoder_that_never_starts_is_not_the_jobs_fault(
    attempt: Attempt,
) -> None:
    attempt.decoder = BrokenDecoder()
    executor = Executor(
        attempt.store, attempt.leases, attempt.decoder, Restorer(), Hurried(), max_bytes=100
    )

    with pytest.raises(ChildNotStarted):
        executor.run(attempt.open(UPSCALE))

    assert attempt.decoder.tried > 1


def test_a_job_that_is_cancelled_while_its_decoder_cannot_start_is_cancelled(
    attempt: Attempt,
) -> None:
    lease = attempt.open(UPSCALE)

    def cancelled() -> None:
        lease.cancel = True

    attempt.decoder = BrokenDecoder(meanwhile=cancelled)

    assert attempt.run(lease) == Stopped()


def test_memory_that_runs_out_fails_the_job_and_not_the_worker(attempt: Attempt) -> None:
    def exhausted(_verb: str, _key: str) -> None:
        raise MemoryError

    attempt.store.before = exhausted

    outcome = attempt.run(attempt.open())

    assert isinstance(outcome, Failed)
    assert outcome.code is ErrorCode.PROCESSING_FAILED


def test_a_job_that_lacks_parameters_or_header_is_a_defect_and_said_so(attempt: Attempt) -> None:
    for broken in (replace(JOB, parameters=None), replace(JOB, header=None)):
        with pytest.raises(ValueError, match=JOB.id):
            attempt.run(attempt.open(broken))


def test_a_model_that_is_missing_fails_the_job_and_is_told_to_whoever_reads_the_log(
    attempt: Attempt,
) -> None:
    attempt.decoder = ReadyDecoder()
    faces = replace(JOB, parameters=FacesParameters())

    with capture_logs() as log:
        outcome = attempt.run(attempt.open(faces))

    assert isinstance(outcome, Failed)
    assert outcome.code is ErrorCode.MODEL_UNAVAILABLE
    (told,) = log
    assert (told["event"], told["log_level"], told["job"]) == ("model_unavailable", "error", JOB.id)
    assert "sha256" in outcome.detail
    # Where to put it is the operator's affair; the customer is not told of folders.
    assert told["error"] == f"{outcome.detail}; put it into a folder and name that in {SETTING}"
