"""Each rule of the storm finds what it is there to find, in a small state made wrong by hand."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import pytest

from schemas.ids import JobId
from tests.e2e.chaos import invariants
from tests.e2e.chaos.invariants import RULES, findings
from tests.e2e.chaos.observed import HoldRow, Observed, Told, UsageRow
from tests.e2e.chaos.sound import DONE, ORDERED, PROBLEMS, REFUSED, RESULTS, STOPPED, sound
from tests.e2e.chaos.traffic import Answer, Order, Sent, Upload

T = TypeVar("T")


def without(rows: Sequence[T], wrong: Callable[[T], bool]) -> tuple[T, ...]:
    kept = tuple(row for row in rows if not wrong(row))
    assert len(kept) < len(rows)
    return kept


def changed(rows: Sequence[T], wrong: Callable[[T], bool], made: Callable[[T], T]) -> tuple[T, ...]:
    return tuple(made(row) if wrong(row) else row for row in rows)


def _job_as(seen: Observed, job_id: str, **fields: object) -> Observed:
    jobs = changed(seen.jobs, lambda j: j.id == job_id, lambda j: replace(j, **fields))  # type: ignore[arg-type]  # names are of JobRow
    return replace(seen, jobs=jobs)


def _step_as(seen: Observed, job_id: str, version: int, **fields: object) -> Observed:
    steps = changed(
        seen.transitions,
        lambda s: (s.job_id, s.version) == (job_id, version),
        lambda s: replace(s, **fields),  # type: ignore[arg-type]  # names are of Transition
    )
    return replace(seen, transitions=steps)


def _hold_as(seen: Observed, job_id: str, **fields: object) -> Observed:
    holds = changed(seen.holds, lambda h: h.job_id == job_id, lambda h: replace(h, **fields))  # type: ignore[arg-type]  # names are of HoldRow
    return replace(seen, holds=holds)


def _objects(seen: Observed, **etags: str | None) -> Observed:
    names = {"done": RESULTS[DONE], "problem": PROBLEMS[STOPPED], "stray": "out/acc/stray"}
    objects = dict(seen.objects)
    for name, etag in etags.items():
        if etag is None:
            del objects[names[name]]
        else:
            objects[names[name]] = etag
    return replace(seen, objects=objects)


def _sent(seen: Observed, *, upload: str | None = None, order: Order | None = None) -> Observed:
    uploads = (*seen.sent.uploads, Upload(upload, "e")) if upload else seen.sent.uploads
    orders = (*seen.sent.orders, order) if order else seen.sent.orders
    return replace(seen, sent=Sent(uploads, orders))


# What is made wrong, the rule that must find it, and with what.
WRONGS: dict[str, tuple[Callable[[Observed], Observed], invariants.Rule, str]] = {
    "an upload without a job": (
        lambda s: _sent(s, upload="in/acc/identity/lost.png"),
        invariants.each_upload_has_one_job,
        "in/acc/identity/lost.png",
    ),
    "two jobs for an upload": (
        lambda s: replace(s, jobs=(*s.jobs, replace(s.jobs[0], id="job_twin"))),
        invariants.each_upload_has_one_job,
        "in/acc/identity/done.png",
    ),
    "a job for no upload": (
        lambda s: replace(s, sent=replace(s.sent, uploads=s.sent.uploads[1:])),
        invariants.each_upload_has_one_job,
        "in/acc/identity/done.png",
    ),
    "an order forgotten": (
        lambda s: _sent(s, order=Order(JobId("job_lost"), Answer.ACCEPTED)),
        invariants.each_accepted_order_has_its_job,
        "job_lost",
    ),
    "a refused order carried out": (
        lambda s: _sent(s, order=Order(JobId(DONE), Answer.REFUSED)),
        invariants.refused_orders_leave_nothing,
        DONE,
    ),
    "a job left running": (
        lambda s: _job_as(s, DONE, state="running"),
        invariants.every_job_has_ended,
        DONE,
    ),
    "a transition missing": (
        lambda s: replace(
            s, transitions=without(s.transitions, lambda t: (t.job_id, t.version) == (DONE, 3))
        ),
        invariants.transitions_are_contiguous,
        DONE,
    ),
    "a transition twice": (
        lambda s: replace(s, transitions=(*s.transitions, s.transitions[-1])),
        invariants.transitions_are_contiguous,
        ORDERED,
    ),
    "a last transition that is not the job's state": (
        lambda s: _job_as(s, STOPPED, state="expired"),
        invariants.transitions_are_contiguous,
        STOPPED,
    ),
    "transitions without a job": (
        lambda s: replace(s, jobs=without(s.jobs, lambda j: j.id == REFUSED)),
        invariants.transitions_are_contiguous,
        REFUSED,
    ),
    "run without having been dispatched": (
        lambda s: _step_as(s, ORDERED, 2, state="queued", attempt=1),
        invariants.transitions_are_legal,
        ORDERED,
    ),
    "ended by somebody who may not": (
        lambda s: _step_as(s, STOPPED, 2, by="worker"),
        invariants.transitions_are_legal,
        STOPPED,
    ),
    "dispatched without a new attempt": (
        lambda s: _step_as(s, DONE, 5, attempt=1),
        invariants.transitions_are_legal,
        DONE,
    ),
    "no usage row": (
        lambda s: replace(s, usage_rows=s.usage_rows[1:]),
        invariants.each_queued_job_is_used_once,
        DONE,
    ),
    "two usage rows": (
        lambda s: replace(s, usage_rows=(*s.usage_rows, replace(s.usage_rows[0], id="again"))),
        invariants.each_queued_job_is_used_once,
        DONE,
    ),
    "a usage row of a job that was rejected": (
        lambda s: replace(s, usage_rows=(*s.usage_rows, UsageRow("u", REFUSED, "rejected", 0))),
        invariants.each_queued_job_is_used_once,
        REFUSED,
    ),
    "a cancelled job whose usage was charged": (
        lambda s: replace(
            s,
            usage_rows=changed(
                s.usage_rows, lambda u: u.job_id == STOPPED, lambda u: replace(u, charged=1)
            ),
        ),
        invariants.usage_says_how_jobs_ended,
        "job_stopped.usage",
    ),
    "a hold left open": (
        lambda s: _hold_as(s, DONE, state="open", captured=0),
        invariants.every_hold_is_closed_once,
        DONE,
    ),
    "a job without a hold": (
        lambda s: replace(s, holds=s.holds[1:]),
        invariants.every_hold_is_closed_once,
        DONE,
    ),
    "a hold for a rejected job": (
        lambda s: replace(s, holds=(*s.holds, HoldRow(REFUSED, 1, "released", 0))),
        invariants.every_hold_is_closed_once,
        REFUSED,
    ),
    "captured twice": (
        lambda s: _hold_as(s, DONE, captured=2),
        invariants.what_succeeded_is_charged_once,
        DONE,
    ),
    "captured for a cancelled job": (
        lambda s: _hold_as(s, STOPPED, captured=1),
        invariants.what_succeeded_is_charged_once,
        STOPPED,
    ),
    "a success that nothing was captured for": (
        lambda s: replace(s, holds=s.holds[1:]),
        invariants.what_succeeded_is_charged_once,
        "all",
    ),
    "a ledger that finds fault with itself": (
        lambda s: replace(s, ledger_findings=("held_drift acc",)),
        invariants.ledger_is_sound,
        "ledger",
    ),
    "a ledger that does not sum to zero": (
        lambda s: replace(s, ledger_sum=1),
        invariants.ledger_is_sound,
        "ledger",
    ),
    "a message in the outbox": (
        lambda s: replace(s, outbox=(17,)),
        invariants.outbox_is_empty,
        "outbox 17",
    ),
    "a result that is not there": (
        lambda s: _objects(s, done=None),
        invariants.each_success_has_its_result,
        DONE,
    ),
    "a result with other bytes": (
        lambda s: _objects(s, done="other"),
        invariants.each_success_has_its_result,
        DONE,
    ),
    "a problem file that is not there": (
        lambda s: _objects(s, problem=None),
        invariants.each_other_end_has_its_problem_file,
        STOPPED,
    ),
    "a stray object": (
        lambda s: _objects(s, stray="e"),
        invariants.nothing_else_is_stored,
        "out/acc/stray",
    ),
    "a transition never told": (
        lambda s: replace(
            s, job_events=without(s.job_events, lambda e: e.event_id == "job_done.4")
        ),
        invariants.every_transition_is_told,
        DONE,
    ),
    "a transition told that never was": (
        lambda s: replace(s, job_events=(*s.job_events, Told("x", STOPPED, 3, "succeeded"))),
        invariants.every_transition_is_told,
        STOPPED,
    ),
    "transitions told in another order": (
        lambda s: replace(s, job_events=tuple(reversed(s.job_events))),
        invariants.transitions_are_told_in_order,
        DONE,
    ),
    "usage never told": (
        lambda s: replace(s, usage_events=s.usage_events[1:]),
        invariants.usage_is_told_once,
        DONE,
    ),
    "usage told under two ids": (
        lambda s: replace(s, usage_events=(*s.usage_events, Told("again", DONE))),
        invariants.usage_is_told_once,
        DONE,
    ),
    "usage told of a rejected job": (
        lambda s: replace(s, usage_events=(*s.usage_events, Told("u", REFUSED))),
        invariants.usage_is_told_once,
        REFUSED,
    ),
    "a dead letter": (
        lambda s: replace(s, dead_letters=("job-results: garbage",)),
        invariants.dead_letters_are_empty,
        "job-results",
    ),
}


def test_in_a_sound_state_nothing_is_found() -> None:
    assert findings(sound()) == []


def test_what_is_told_again_is_no_fault() -> None:
    seen = sound()
    twice = replace(
        seen,
        job_events=seen.job_events + seen.job_events,
        usage_events=seen.usage_events + seen.usage_events,
    )
    assert findings(twice) == []


@pytest.mark.parametrize("wrong", WRONGS)
def test_a_rule_finds_what_is_wrong(wrong: str) -> None:
    doctor, rule, subject = WRONGS[wrong]
    found = {(f.rule, f.subject) for f in findings(doctor(sound()))}
    assert (rule.__name__, subject) in found


def test_every_rule_is_seen_to_fail() -> None:
    assert {rule for _, rule, _ in WRONGS.values()} == set(RULES)
