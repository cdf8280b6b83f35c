"""Why a job does not move, told from what goes on around it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cli.inspection.surroundings import Surroundings, cause_of
from domain.pipeline.stuck import Cause, Stuck, StuckCode
from infra.postgres import Alone
from schemas.ids import JobId

JOB = JobId("job_" + "a" * 32)
WELL = Surroundings(tasks=frozenset(Alone), workers=1, running={}, lag={}, dead=frozenset[str]())


def stuck(code: StuckCode, cause: Cause | None = None) -> Stuck:
    return Stuck(code, JOB, "acc_1", "identity", datetime(2026, 3, 1, tzinfo=UTC), cause)


def without(task: Alone) -> Surroundings:
    return replace(WELL, tasks=WELL.tasks - {task})


@pytest.mark.parametrize(
    ("code", "around", "cause"),
    [
        (StuckCode.NOT_DISPATCHED, without(Alone.DISPATCHER), Cause.NO_DISPATCHER),
        (StuckCode.NOT_DISPATCHED, WELL, Cause.UNKNOWN),
        (StuckCode.NOT_CLAIMED, replace(WELL, workers=0), Cause.NO_WORKER),
        (StuckCode.NOT_CLAIMED, replace(WELL, running={"identity": 2}), Cause.WORKERS_BUSY),
        (StuckCode.NOT_CLAIMED, replace(WELL, running={"upscale": 2}), Cause.UNKNOWN),
        (StuckCode.NOT_CLAIMED, replace(WELL, lag={"work.identity": 1}), Cause.CONSUMER_BEHIND),
        (StuckCode.LEASE_NOT_RENEWED, without(Alone.SWEEPER), Cause.NO_SWEEPER),
        (StuckCode.LEASE_NOT_RENEWED, WELL, Cause.WORKER_GONE),
        (StuckCode.CANCEL_NOT_HEEDED, WELL, Cause.UNKNOWN),
        (StuckCode.HOLD_NOT_CLOSED, replace(WELL, lag={"usage": 1}), Cause.CONSUMER_BEHIND),
        (StuckCode.HOLD_NOT_CLOSED, replace(WELL, dead=frozenset({JOB})), Cause.DEAD_LETTER),
        (StuckCode.HOLD_NOT_CLOSED, WELL, Cause.UNKNOWN),
        (StuckCode.UPLOAD_WITHOUT_JOB, without(Alone.RECONCILER), Cause.NO_RECONCILER),
        (
            StuckCode.UPLOAD_WITHOUT_JOB,
            replace(WELL, lag={"object-events": 3}),
            Cause.CONSUMER_BEHIND,
        ),
        (StuckCode.UPLOAD_WITHOUT_JOB, replace(WELL, dead=frozenset({JOB})), Cause.DEAD_LETTER),
    ],
)  # fmt: skip
def test_the_cause_is_what_is_missing_around_the_job(
    code: StuckCode, around: Surroundings, cause: Cause
) -> None:
    assert cause_of(stuck(code), around) is cause


def test_what_the_database_knew_stands() -> None:
    barred = stuck(StuckCode.NOT_CLAIMED, Cause.ACCOUNT_BARRED)
    assert cause_of(barred, replace(WELL, workers=0)) is Cause.ACCOUNT_BARRED


def test_an_outbox_that_is_not_sent_is_the_relays_if_one_runs_and_else_its_absence() -> None:
    behind = stuck(StuckCode.HOLD_NOT_CLOSED, Cause.RELAY_BEHIND)
    assert cause_of(behind, WELL) is Cause.RELAY_BEHIND
    assert cause_of(behind, without(Alone.RELAY)) is Cause.NO_RELAY
