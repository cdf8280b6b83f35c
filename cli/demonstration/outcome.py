"""What became of each upload, as table and page show it, and the one JSON object of it all."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cli.demonstration.customer import Arrived, Sent
from cli.demonstration.operator import Books
from cli.demonstration.proof import Expected, Proof
from cli.demonstration.results import fault_of, size_of
from cli.demonstration.samples import Impostor, Sample
from schemas.ids import JobId
from schemas.states import TERMINAL, JobState

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Outcome:
    """An upload and what came of it. `price` is what was charged, in minor units.

    `seconds` go from the upload to the charge, or to the job's end where nothing was charged.
    """

    sent: Sent
    arrived: Arrived | None
    state: JobState | None
    code: str
    size: Size | None
    seconds: float | None
    price: int


def expected(sent: Sequence[Sent]) -> dict[JobId, Expected]:
    """Return how each upload must end: samples succeed, the impostor is rejected."""
    return {
        each.job_id: Expected(
            each.sample.path,
            JobState.REJECTED if isinstance(each.sample, Impostor) else JobState.SUCCEEDED,
        )
        for each in sent
    }


def outcomes(
    sent: Sequence[Sent], arrived: Mapping[JobId, Arrived], books: Books
) -> tuple[Outcome, ...]:
    """Return what became of each upload, in order of preset and name."""
    charges = {charge.job_id: charge for charge in books.evidence.charges}
    found = []
    for each in sorted(sent, key=lambda one: (one.sample.preset, one.sample.name)):
        job, charge = books.jobs.get(each.job_id), charges.get(each.job_id)
        came = arrived.get(each.job_id)
        end = charge.recorded_at if charge else job.ended_at if job else None
        found.append(
            Outcome(
                sent=each,
                arrived=came,
                state=job.state if job else None,
                code=job.code or "" if job else "",
                size=size_of(came.body) if came and not came.is_problem else None,
                seconds=_seconds(each.at, end),
                price=charge.amount if charge else 0,
            )
        )
    return tuple(found)


def missing_files(found: Sequence[Outcome]) -> tuple[str, ...]:
    """Say in words which results and problem files of ended jobs are missing or wrong."""
    faults = []
    for each in found:
        sample, came = each.sent.sample, each.arrived
        if came is None and each.state not in TERMINAL:
            # That its job is missing or has not ended is for the proof to say.
            continue
        if came is None:
            faults.append(f"{sample.path}: neither a result nor a problem file came")
        elif isinstance(sample, Sample) and not came.is_problem:
            wrong = fault_of(sample, came.body)
            if wrong is not None:
                faults.append(f"{sample.path}: {wrong}")
        elif isinstance(sample, Sample) or not came.is_problem:
            what = "a problem file" if came.is_problem else "a result"
            faults.append(f"{sample.path}: {what} came, which is not what it asked for")
    return tuple(faults)


def summary(found: Sequence[Outcome], proof: Proof, output: str) -> dict[str, object]:
    """Return what `--json` prints. Amounts are minor units, seconds have three places."""
    waits = [each.seconds for each in found if each.price and each.seconds is not None]
    return {
        "jobs": dict(proof.jobs),
        "upload_to_charged_s": {
            "p50": round(statistics.median(waits), 3) if waits else None,
            "max": round(max(waits), 3) if waits else None,
        },
        "charged": proof.charged,
        "ledger_sum": proof.ledger_sum,
        "uncharged": len(proof.uncharged),
        "double_charged": len(proof.double_charged),
        "output": output,
    }


def _seconds(start: datetime, end: datetime | None) -> float | None:
    return None if end is None else (end - start).total_seconds()
