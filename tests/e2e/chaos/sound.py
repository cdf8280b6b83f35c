"""A small state in which nothing is wrong: four jobs, ended in three ways."""

from collections.abc import Sequence

from schemas.ids import JobId
from tests.e2e.chaos.observed import HoldRow, JobRow, Observed, Told, Transition, UsageRow
from tests.e2e.chaos.traffic import Answer, Order, Sent, Upload

DONE, STOPPED, REFUSED, ORDERED = "job_done", "job_stopped", "job_refused", "job_ordered"
NO_JOB = JobId("job_never")
LIVES: dict[str, Sequence[tuple[str, str]]] = {
    DONE: (
        ("queued", "decide"),
        ("dispatched", "dispatcher"),
        ("running", "worker"),
        ("queued", "sweeper"),
        ("dispatched", "dispatcher"),
        ("running", "worker"),
        ("succeeded", "results"),
    ),
    STOPPED: (("queued", "decide"), ("cancelled", "client")),
    REFUSED: (("rejected", "decide"),),
    ORDERED: (
        ("queued", "decide"),
        ("dispatched", "dispatcher"),
        ("running", "worker"),
        ("succeeded", "results"),
    ),
}
RESULTS = {DONE: "out/acc/identity/done.png.job_done.png", ORDERED: "out/acc/api/job_ordered.png"}
PROBLEMS = {
    STOPPED: "out/acc/identity/stopped.png.job_stopped.problem.json",
    REFUSED: "out/acc/identity/refused.png.job_refused.problem.json",
}


def sound() -> Observed:
    """Return a small state in which nothing is wrong."""
    lives = {job_id: _life(job_id) for job_id in LIVES}
    jobs = tuple(_job(job_id, life) for job_id, life in lives.items())
    steps = tuple(step for life in lives.values() for step in life)
    paid = [job for job in jobs if job.id != REFUSED]
    return Observed(
        sent=Sent(
            uploads=tuple(
                Upload(job.source_key, job.source_etag) for job in jobs if job.id != ORDERED
            ),
            orders=(Order(JobId(ORDERED), Answer.ACCEPTED), Order(NO_JOB, Answer.REFUSED)),
        ),
        jobs=jobs,
        transitions=steps,
        holds=tuple(
            HoldRow(job.id, 1, "captured", 1)
            if job.state == "succeeded"
            else HoldRow(job.id, 1, "released", 0)
            for job in paid
        ),
        usage_rows=tuple(
            UsageRow(f"{job.id}.usage", job.id, job.state, int(job.state == "succeeded"))
            for job in paid
        ),
        ledger_findings=(),
        ledger_sum=0,
        outbox=(),
        objects={
            **{RESULTS[job.id]: job.source_etag for job in jobs if job.id in RESULTS},
            **dict.fromkeys(PROBLEMS.values(), "a problem"),
        },
        job_events=tuple(
            Told(f"{step.job_id}.{step.version}", step.job_id, step.version, step.state)
            for step in steps
        ),
        usage_events=tuple(Told(f"{job.id}.usage", job.id) for job in paid),
        dead_letters=(),
    )


def _life(job_id: str) -> list[Transition]:
    states = [state for state, _ in LIVES[job_id]]
    return [
        Transition(job_id, version, state, states[:version].count("dispatched"), by)
        for version, (state, by) in enumerate(LIVES[job_id], 1)
    ]


def _job(job_id: str, life: Sequence[Transition]) -> JobRow:
    name = job_id.removeprefix("job_")
    return JobRow(
        id=job_id,
        account_id="acc",
        origin="api" if job_id == ORDERED else "object",
        retry_of=None,
        source_key="staged/acc/upl" if job_id == ORDERED else f"in/acc/identity/{name}.png",
        source_etag=f"etag of {name}",
        state=life[-1].state,
        version=life[-1].version,
        attempt=life[-1].attempt,
        amount=None if job_id == REFUSED else 1,
        result_key=RESULTS.get(job_id),
        result_etag=f"etag of {name}" if job_id in RESULTS else None,
    )
