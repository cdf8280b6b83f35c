"""Every way in which somebody may say that a job ended, against a table written apart."""

import itertools
from dataclasses import replace

import pytest

from domain.jobs.model import Ending, holds_money, may_end
from schemas.states import TERMINAL, Actor, JobState
from tests.unit.domain.samples import JOB, JOB_ID

LEGAL = """
queued      succeeded  results   any
dispatched  succeeded  results   any
running     succeeded  results   any
running     failed     results   current
running     refused    results   current
running     cancelled  results   current
running     failed     sweeper   any
running     cancelled  sweeper   any
queued      cancelled  client    any
review      cancelled  client    any
dispatched  cancelled  client    any
queued      cancelled  operator  any
review      cancelled  operator  any
dispatched  cancelled  operator  any
queued      expired    sweeper   any
review      expired    sweeper   any
dispatched  expired    sweeper   any
review      rejected   operator  any
"""
"""From, to, by whom, and of which attempt."""

ALLOWED = {
    (JobState(before), JobState(to), Actor(by)): fence
    for before, to, by, fence in (line.split() for line in LEGAL.split("\n") if line)
}
ATTEMPTS = {"current": JOB.attempt, "old": JOB.attempt - 1, "later": JOB.attempt + 1, "none": None}


@pytest.mark.parametrize("before", JobState)
@pytest.mark.parametrize("by", Actor)
def test_a_job_ends_exactly_as_the_table_says(before: JobState, by: Actor) -> None:
    job = replace(JOB, state=before)
    for to, (age, attempt) in itertools.product(JobState, ATTEMPTS.items()):
        fence = ALLOWED.get((before, to, by))
        expected = fence == "any" or (fence == "current" and age == "current")

        assert may_end(job, Ending(JOB_ID, to, by, attempt=attempt)) is expected, (to, age)


def test_nothing_ends_a_job_that_has_ended_and_no_ending_leads_elsewhere() -> None:
    assert not {before for before, _, _ in ALLOWED} & TERMINAL
    assert {to for _, to, _ in ALLOWED} == TERMINAL


def test_a_job_holds_money_from_queued_until_it_ends() -> None:
    held = {state for state in JobState if holds_money(replace(JOB, state=state))}

    assert held == {JobState.QUEUED, JobState.DISPATCHED, JobState.RUNNING}
