"""What must hold when a storm is over. Each function returns everything that does not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from tests.e2e.chaos.observed import JobRow, Observed, Transition
from tests.e2e.chaos.traffic import Answer


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong: which rule, with which job, key or event, and how."""

    rule: str
    subject: str
    detail: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.subject}: {self.detail}"


Rule = Callable[[Observed], Iterator[tuple[str, str]]]
"""Yields the subject of each thing that is wrong, and what is wrong with it."""

_ENDED: Final = {"succeeded", "rejected", "failed", "refused", "cancelled", "expired"}

# The whole life of a job, written down apart from the code that is under test.
_LEGAL: Final = {
    (None, "queued", "decide"),
    (None, "rejected", "decide"),
    (None, "review", "decide"),
    ("review", "queued", "operator"),
    ("review", "rejected", "operator"),
    ("queued", "dispatched", "dispatcher"),
    ("dispatched", "running", "worker"),
    ("dispatched", "queued", "sweeper"),
    ("running", "queued", "sweeper"),
    ("running", "failed", "sweeper"),
    ("running", "cancelled", "sweeper"),
    ("queued", "succeeded", "results"),
    ("dispatched", "succeeded", "results"),
    ("running", "succeeded", "results"),
    ("running", "failed", "results"),
    ("running", "refused", "results"),
    ("running", "cancelled", "results"),
    *(
        (state, "cancelled", who)
        for state in ("queued", "review", "dispatched")
        for who in ("client", "operator")
    ),
    *((state, "expired", "sweeper") for state in ("queued", "review", "dispatched")),
}


def each_upload_has_one_job(seen: Observed) -> Iterator[tuple[str, str]]:
    """An upload that got 200 has one job that is no retry, and no job is of another upload."""
    found = Counter(
        (job.source_key, job.source_etag)
        for job in seen.jobs
        if job.origin == "object" and job.retry_of is None
    )
    sent = {(upload.key, upload.etag) for upload in seen.sent.uploads}
    for key, etag in sent:
        if found[key, etag] != 1:
            yield key, f"{found[key, etag]} jobs for the upload {etag}"
    for key, etag in found.keys() - sent:
        yield key, f"a job for {etag}, which nobody uploaded"


def each_accepted_order_has_its_job(seen: Observed) -> Iterator[tuple[str, str]]:
    """A job that the API has promised is there."""
    there = {job.id for job in seen.jobs}
    for order in seen.sent.orders:
        if order.answer is Answer.ACCEPTED and order.job_id not in there:
            yield order.job_id, "accepted by the API, and not there"


def refused_orders_leave_nothing(seen: Observed) -> Iterator[tuple[str, str]]:
    """A job that the API has refused is not there."""
    there = {job.id: job for job in seen.jobs}
    for order in seen.sent.orders:
        if order.answer is Answer.REFUSED and order.job_id in there:
            yield order.job_id, f"refused by the API, and yet {there[order.job_id].state}"


def every_job_has_ended(seen: Observed) -> Iterator[tuple[str, str]]:
    """Nothing is left half done."""
    for job in seen.jobs:
        if job.state not in _ENDED:
            yield job.id, f"still {job.state}, attempt {job.attempt}"


def transitions_are_contiguous(seen: Observed) -> Iterator[tuple[str, str]]:
    """A job's transitions are numbered from 1 without a gap, up to where the job stands."""
    lives = _lives(seen)
    for job in seen.jobs:
        life = lives.pop(job.id, [])
        versions = [step.version for step in life]
        if versions != list(range(1, job.version + 1)):
            yield job.id, f"is at version {job.version}, its transitions are {versions}"
        elif (life[-1].state, life[-1].attempt) != (job.state, job.attempt):
            yield job.id, f"is {job.state}, its last transition says {life[-1].state}"
    for job_id in lives:
        yield job_id, "transitions of a job that is not there"


def transitions_are_legal(seen: Observed) -> Iterator[tuple[str, str]]:
    """Each step is one that its maker may take, and attempts count dispatches."""
    for job_id, life in _lives(seen).items():
        steps = [(None, life[0]), *pairwise(life)]
        for before, after in steps:
            came_from = before.state if before else None
            if (came_from, after.state, after.by) not in _LEGAL:
                yield job_id, f"{came_from} to {after.state} by {after.by}, v{after.version}"
            attempt = (before.attempt if before else 0) + (after.state == "dispatched")
            if after.attempt != attempt:
                yield job_id, f"attempt {after.attempt} at v{after.version}, expected {attempt}"


def each_queued_job_is_used_once(seen: Observed) -> Iterator[tuple[str, str]]:
    """A job that was ever queued and has ended has one usage row, others none."""
    rows = Counter(row.job_id for row in seen.usage_rows)
    expected = {job.id: job for job in _paid_for(seen) if job.state in _ENDED}
    for job_id, job in expected.items():
        if rows[job_id] != 1:
            yield job_id, f"{job.state}, {rows[job_id]} usage rows"
    for job_id in rows.keys() - expected.keys():
        yield job_id, "a usage row for a job that was never queued"


def usage_says_how_jobs_ended(seen: Observed) -> Iterator[tuple[str, str]]:
    """A usage row tells its job's end, and charges the amount exactly for a success."""
    jobs = {job.id: job for job in seen.jobs}
    for row in seen.usage_rows:
        job = jobs.get(row.job_id)
        if job is None:
            continue
        charged = (job.amount or 0) if job.state == "succeeded" else 0
        if (row.outcome, row.charged) != (job.state, charged):
            yield row.id, f"{row.outcome}, {row.charged} charged; the job is {job.state}"


def every_hold_is_closed_once(seen: Observed) -> Iterator[tuple[str, str]]:
    """A job that was ever queued has one hold of its amount: captured or, without success, free."""
    holds = {hold.job_id: hold for hold in seen.holds}
    expected = {job.id: job for job in _paid_for(seen)}
    for job_id, job in expected.items():
        hold = holds.get(job_id)
        if hold is None:
            yield job_id, f"{job.state} without a hold"
            continue
        rightly = "captured" if job.state == "succeeded" else "released"
        if (hold.state, hold.amount) != (rightly, job.amount):
            yield job_id, f"{job.state} for {job.amount}; the hold is {hold.state} of {hold.amount}"
    for job_id in holds.keys() - expected.keys():
        yield job_id, "a hold for a job that was never queued"


def what_succeeded_is_charged_once(seen: Observed) -> Iterator[tuple[str, str]]:
    """The ledger captured each success's amount once, and for nothing else, and so in all."""
    jobs = {job.id: job for job in seen.jobs}
    for hold in seen.holds:
        job = jobs.get(hold.job_id)
        due = (job.amount or 0) if job is not None and job.state == "succeeded" else 0
        if hold.captured != due:
            yield hold.job_id, f"{hold.captured} captured, {due} due"
    captured = sum(hold.captured for hold in seen.holds)
    due = sum(job.amount or 0 for job in seen.jobs if job.state == "succeeded")
    if captured != due:
        yield "all", f"{captured} captured, {due} due"


def ledger_is_sound(seen: Observed) -> Iterator[tuple[str, str]]:
    """The ledger's own check finds nothing, and all entries sum to zero."""
    for found in seen.ledger_findings:
        yield "ledger", found
    if seen.ledger_sum != 0:
        yield "ledger", f"all entries sum to {seen.ledger_sum}"


def outbox_is_empty(seen: Observed) -> Iterator[tuple[str, str]]:
    """Everything that was to be told has been told."""
    for row in seen.outbox:
        yield f"outbox {row}", "still there"


def each_success_has_its_result(seen: Observed) -> Iterator[tuple[str, str]]:
    """The result of a success is in the store with its ETag: here, that of its source."""
    for job in seen.jobs:
        if job.state != "succeeded":
            continue
        stored = seen.objects.get(job.result_key or "")
        if stored is None or not stored == job.result_etag == job.source_etag:
            yield (
                job.id,
                (
                    f"{job.result_key} has ETag {stored}, the job says {job.result_etag},"
                    f" its source was {job.source_etag}"
                ),
            )


def each_other_end_has_its_problem_file(seen: Observed) -> Iterator[tuple[str, str]]:
    """An upload without a result has a file beside it that says why."""
    for job in seen.jobs:
        key = _problem_key(job)
        if key is not None and key not in seen.objects:
            yield job.id, f"{job.state}, and {key} is not there"


def nothing_else_is_stored(seen: Observed) -> Iterator[tuple[str, str]]:
    """Under `out/` lie results of successes and problem files, and nothing besides."""
    expected = {job.result_key for job in seen.jobs if job.state == "succeeded"}
    expected |= {_problem_key(job) for job in seen.jobs}
    for key in seen.objects.keys() - expected:
        yield key, "belongs to no success, and is no problem file"


def every_transition_is_told(seen: Observed) -> Iterator[tuple[str, str]]:
    """job-events carries each transition at least once, and no other."""
    told = {(event.job_id, event.version, event.state) for event in seen.job_events}
    made = {(step.job_id, step.version, step.state) for step in seen.transitions}
    for job_id, version, state in made - told:
        yield job_id, f"v{version} {state} was never told"
    for job_id, version, state in told - made:
        yield job_id, f"v{version} {state} was told and is not so"


def transitions_are_told_in_order(seen: Observed) -> Iterator[tuple[str, str]]:
    """Of each job, the first telling of a version comes behind that of the one before."""
    first: dict[str, dict[int, None]] = defaultdict(dict)
    for event in seen.job_events:
        first[event.job_id].setdefault(event.version)
    for job_id, versions in first.items():
        if list(versions) != sorted(versions):
            yield job_id, f"told in the order {list(versions)}"


def usage_is_told_once(seen: Observed) -> Iterator[tuple[str, str]]:
    """The usage topic has one event id for each ended job that was ever queued, and no other."""
    told: dict[str, set[str]] = defaultdict(set)
    for event in seen.usage_events:
        told[event.job_id].add(event.event_id)
    expected = {job.id for job in _paid_for(seen) if job.state in _ENDED}
    for job_id in expected:
        if len(told[job_id]) != 1:
            yield job_id, f"usage events {sorted(told[job_id])}"
    for job_id in {job_id for job_id, events in told.items() if events} - expected:
        yield job_id, f"usage events {sorted(told[job_id])} of a job that was never queued"


def dead_letters_are_empty(seen: Observed) -> Iterator[tuple[str, str]]:
    """No message was given up: none was wrong."""
    for letter in seen.dead_letters:
        yield letter.partition(":")[0], letter


RULES: Final[tuple[Rule, ...]] = (
    each_upload_has_one_job,
    each_accepted_order_has_its_job,
    refused_orders_leave_nothing,
    every_job_has_ended,
    transitions_are_contiguous,
    transitions_are_legal,
    each_queued_job_is_used_once,
    usage_says_how_jobs_ended,
    every_hold_is_closed_once,
    what_succeeded_is_charged_once,
    ledger_is_sound,
    outbox_is_empty,
    each_success_has_its_result,
    each_other_end_has_its_problem_file,
    nothing_else_is_stored,
    every_transition_is_told,
    transitions_are_told_in_order,
    usage_is_told_once,
    dead_letters_are_empty,
)


def findings(seen: Observed) -> list[Finding]:
    """Return everything that is wrong, rule by rule; an empty list is the good answer."""
    return [
        Finding(rule.__name__, subject, detail)
        for rule in RULES
        for subject, detail in sorted(rule(seen))
    ]


def _lives(seen: Observed) -> dict[str, list[Transition]]:
    lives: dict[str, list[Transition]] = defaultdict(list)
    for step in seen.transitions:
        lives[step.job_id].append(step)
    return {job_id: sorted(life, key=lambda s: s.version) for job_id, life in lives.items()}


def _paid_for(seen: Observed) -> list[JobRow]:
    """Return the jobs that were ever queued: each of them held money."""
    queued = {step.job_id for step in seen.transitions if step.state == "queued"}
    return [job for job in seen.jobs if job.id in queued]


def _problem_key(job: JobRow) -> str | None:
    if job.origin != "object" or job.state == "succeeded" or job.state not in _ENDED:
        return None
    return f"out/{job.source_key.removeprefix('in/')}.{job.id}.problem.json"
