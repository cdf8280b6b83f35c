"""Does the ledger say what happened? Asked of facts alone: pure, and able to say no."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from schemas.errors import ErrorCode
from schemas.ids import JobId
from schemas.states import TERMINAL, JobState


@dataclass(frozen=True, slots=True)
class JobFact:
    """A job as its row tells: `price` in minor units, None for one that never had a price."""

    job_id: JobId
    source_key: str
    state: JobState
    price: int | None
    code: ErrorCode | None = None


@dataclass(frozen=True, slots=True)
class Charge:
    """Money taken for a job, in minor units, and when the ledger recorded it."""

    job_id: JobId
    amount: int
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the books say of an account, and of the whole ledger. Amounts are minor units."""

    jobs: tuple[JobFact, ...]
    charges: tuple[Charge, ...]
    topped_up: int
    available: int
    held: int
    open_holds: frozenset[JobId]
    ledger_sum: int
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Expected:
    """How an upload, by its name, must end."""

    name: str
    state: JobState


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found. `faults` says in words all that is missing or wrong; none is the proof.

    `uncharged` and `double_charged` are succeeded jobs charged never and more than once;
    `stray` are charges of whatever else.
    """

    jobs: Mapping[JobState, int]
    charged: int
    uncharged: frozenset[JobId]
    double_charged: frozenset[JobId]
    stray: frozenset[JobId]
    ledger_sum: int
    faults: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing is missing and nothing is wrong."""
        return not self.faults


def prove(evidence: Evidence, expected: Mapping[JobId, Expected]) -> Proof:
    """Compare what happened with what had to happen, and with what the ledger says of it.

    A job that costs nothing needs no charge: the ledger has no entries of 0.
    """
    prices = {
        job.job_id: job.price or 0
        for job in evidence.jobs
        if job.state is JobState.SUCCEEDED and job.price != 0
    }
    times = Counter(charge.job_id for charge in evidence.charges)
    uncharged = frozenset(prices) - frozenset(times)
    double = frozenset(job for job, count in times.items() if count > 1)
    stray = frozenset(times) - frozenset(prices)
    charged = sum(charge.amount for charge in evidence.charges)
    return Proof(
        jobs=dict(sorted(Counter(job.state for job in evidence.jobs).items())),
        charged=charged,
        uncharged=uncharged,
        double_charged=double & frozenset(prices),
        stray=stray,
        ledger_sum=evidence.ledger_sum,
        faults=(
            *_wrong_ends(evidence, expected),
            *(f"{job} succeeded and was not charged" for job in sorted(uncharged)),
            *(f"{job} was charged {times[job]} times" for job in sorted(double)),
            *(f"{job} was charged and did not succeed" for job in sorted(stray)),
            *_wrong_amounts(evidence, prices),
            *_wrong_balances(evidence, charged),
        ),
    )


def _wrong_ends(evidence: Evidence, expected: Mapping[JobId, Expected]) -> Iterator[str]:
    jobs = {job.job_id: job for job in evidence.jobs}
    for job_id, upload in expected.items():
        job = jobs.get(job_id)
        if job is None:
            yield f"{upload.name}: no job came of the upload"
        elif job.state is not upload.state:
            why = f" ({job.code})" if job.code else ""
            yield f"{upload.name}: {job.state}{why} instead of {upload.state}, {job_id}"
    for job_id in sorted(jobs.keys() - expected.keys()):
        yield f"{job_id} came of no upload: {jobs[job_id].source_key}"


def _wrong_amounts(evidence: Evidence, prices: Mapping[JobId, int]) -> Iterator[str]:
    for charge in evidence.charges:
        price = prices.get(charge.job_id)
        if price is not None and charge.amount != price:
            yield f"{charge.job_id} was charged {charge.amount}; its price is {price}"


def _wrong_balances(evidence: Evidence, charged: int) -> Iterator[str]:
    ended = {job.job_id for job in evidence.jobs if job.state in TERMINAL}
    for job in sorted(evidence.open_holds & ended):
        yield f"{job} has ended and still holds money"
    if evidence.held:
        yield f"{evidence.held} are still held"
    left = evidence.topped_up - charged
    if evidence.available + evidence.held != left:
        yield (
            f"{evidence.available} are available and {evidence.held} held; "
            f"top-ups less charges are {left}"
        )
    if evidence.ledger_sum:
        yield f"the entries of the ledger sum to {evidence.ledger_sum}, not to 0"
    for finding in evidence.findings:
        yield f"ledger check: {finding}"
