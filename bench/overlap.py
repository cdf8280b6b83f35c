"""`python -m bench.overlap`: several pictures of one operation in hand in one worker.

Jobs a second and CPU a job of the worker's own executor on a real object store, with one, two and
three slots for the operation. Rounds take turns; the ratio is the median over the rounds, each
against the round of one slot beside it. About five minutes on two cores.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import cv2
import psutil

from bench.engine import photograph
from bench.figures import Figure, show
from domain.jobs.model import Header, Job, StoredObject
from infra.clock import SystemClock
from infra.object_store import S3ObjectStore, from_settings
from infra.stack import open_stack
from processors.images.decoder import Decoder
from processors.operations import Restorer
from processors.worker.execute import Executor, Succeeded
from processors.worker.leases import Leases
from schemas.ids import AccountId, object_job_id
from schemas.operations import (
    ImageFormat,
    Parameters,
    RestoreParameters,
    UpscaleParameters,
)
from schemas.states import JobState, Origin

SLOTS: Final = (1, 2, 3)
ROUNDS: Final = 3
JOBS: Final = 6
SIZE: Final = (1152, 864)
_NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)

CASES: Final[dict[str, Parameters]] = {
    "upscale fast x2 to png": UpscaleParameters(model="fast", factor=2, format="png"),
    "upscale fast x2 to avif": UpscaleParameters(model="fast", factor=2, format="avif"),
    "restore to jpeg": RestoreParameters(strength=1, format="jpeg"),
}


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of `JOBS` pictures came to."""

    jobs_per_s: float
    cpu_s: float
    """Of this process and the decoders, for each job."""


@dataclass(frozen=True, slots=True)
class _Bench:
    leases: Leases
    executor: Executor
    sources: Sequence[StoredObject]

    def round(self, parameters: Parameters, slots: int) -> Round:
        """Carry every picture through, so many at a time."""
        before, begun = _cpu_seconds(), time.perf_counter()
        with ThreadPoolExecutor(slots) as threads:
            list(threads.map(lambda source: self._carry(parameters, source), self.sources))
        took, used = time.perf_counter() - begun, _cpu_seconds() - before
        return Round(len(self.sources) / took, used / len(self.sources))

    def _carry(self, parameters: Parameters, source: StoredObject) -> None:
        lease = self.leases.open(_job(parameters, source))
        outcome = self.executor.run(lease)
        self.leases.close(lease)
        if not isinstance(outcome, Succeeded):
            raise TypeError(f"{source.key}: {outcome}")


def run() -> Iterator[Figure]:
    """Measure each case, its numbers of slots in turn."""
    with _bench() as bench:
        for case, parameters in CASES.items():
            bench.round(parameters, max(SLOTS))
            rounds: dict[int, list[Round]] = {slots: [] for slots in SLOTS}
            for _ in range(ROUNDS):
                for slots in SLOTS:
                    rounds[slots].append(bench.round(parameters, slots))
            yield from _figures(case, rounds)


def _figures(case: str, rounds: dict[int, list[Round]]) -> Iterator[Figure]:
    alone = [each.jobs_per_s for each in rounds[1]]
    for slots, seen in rounds.items():
        rates = [each.jobs_per_s for each in seen]
        beside = [rate / one for rate, one in zip(rates, alone, strict=True)]
        yield Figure(
            "overlap",
            f"{case}, 1 megapixel, {slots} slots",
            round(statistics.median(rates), 3),
            "jobs/s",
            against=round(statistics.median(alone), 3),
            ratio=round(statistics.median(beside), 3),
        )
        used = statistics.median(each.cpu_s for each in seen)
        yield Figure("overlap", f"{case}, CPU with {slots} slots", round(used, 2), "s/job")


@contextmanager
def _bench() -> Iterator[_Bench]:
    clock = SystemClock()
    with (
        tempfile.TemporaryDirectory(prefix="picmend-bench-") as folder,
        open_stack(Path(folder)) as stack,
        Decoder() as decoder,
        Restorer() as restorer,
    ):
        config = stack.settings()
        store = from_settings(config)
        leases = Leases(
            lambda held: {job: False for job, _ in held},
            clock,
            lease_s=config.lease_s,
            renewal_s=config.lease_renewal_s,
        )
        executor = Executor(
            store, leases, decoder, restorer, clock, max_bytes=config.max_image_bytes
        )
        yield _Bench(leases, executor, [_stored(store, number) for number in range(JOBS)])


def _stored(store: S3ObjectStore, number: int) -> StoredObject:
    """Put a photograph into the store, each of them turned by another number of rows."""
    pixels = cv2.cvtColor(photograph(SIZE), cv2.COLOR_RGB2BGR)
    height = pixels.shape[0]
    turned = cv2.vconcat([pixels[height - number - 1 :], pixels[: height - number - 1]])
    _, body = cv2.imencode(".jpg", turned, [cv2.IMWRITE_JPEG_QUALITY, 60])
    key = f"in/acc_bench/overlap/{number}.jpg"
    return StoredObject(key, store.put(key, body.tobytes(), "image/jpeg"))


def _job(parameters: Parameters, source: StoredObject) -> Job:
    return replace(
        _BLANK,
        id=object_job_id(_BLANK.bucket, source.key, source.etag),
        parameters=parameters,
        source=source,
    )


_BLANK: Final = Job(
    id=object_job_id("uploads", "in/acc_bench/overlap/blank", "0e"),
    seq=1,
    account_id=AccountId("acc_bench"),
    origin=Origin.OBJECT,
    environment="live",
    retry_of=None,
    preset="overlap",
    parameters=None,
    bucket="uploads",
    source=StoredObject("in/acc_bench/overlap/blank", "0e"),
    source_bytes=1,
    mask=None,
    header=Header(ImageFormat.JPEG, *SIZE, has_alpha=False),
    state=JobState.RUNNING,
    version=1,
    attempt=1,
    lease_losses=0,
    code=None,
    detail="",
    cancel_requested=False,
    worker="bench",
    lease_until=None,
    amount=1,
    unit="CNY",
    requested_at=_NOW,
    admitted_at=_NOW,
    expires_at=_NOW,
    dispatched_at=None,
    started_at=None,
    ended_at=None,
    result=None,
    report=None,
)


def _cpu_seconds() -> float:
    """Return the CPU time of this process and of the children that decode and fill for it."""
    this = psutil.Process()
    own = this.cpu_times()
    used = float(own.user + own.system + own.children_user + own.children_system)
    for child in this.children():
        times = child.cpu_times()
        used += float(times.user + times.system) if _confined(child) else 0.0
    return used


def _confined(child: psutil.Process) -> bool:
    return any(part.endswith("_child") for part in child.cmdline())


def main() -> None:
    """Run this benchmark alone."""
    show(run())


if __name__ == "__main__":
    main()
