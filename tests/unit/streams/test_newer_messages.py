"""Each reader meets an event of a version to come: it goes on, and nothing is lost silently."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn, cast

import pytest
from structlog.testing import capture_logs

from infra.clock import SystemClock
from infra.dead_letters import DeadLetters
from infra.kafka import Message
from infra.object_store import S3ObjectStore
from schemas import events
from schemas.errors import ErrorCode
from schemas.events import Event, JobChanged, JobRequested, UsageRecorded, WorkFinished
from schemas.operations import OperationName
from schemas.states import Actor, JobState, Origin
from streams.admission import Admission
from streams.billing import Billing
from streams.intake import Intake
from streams.problems import Problems
from streams.results import Results
from streams.supervised import Supervised
from tests.fakes.recorded_producer import RecordedProducer
from tests.unit.domain.samples import AT, JOB

if TYPE_CHECKING:
    from infra.postgres import Pool
    from infra.stored_objects import ObjectStore
    from streams.stage import Stage
    from streams.uploads import Announcer

CLOCK = SystemClock()
# No stage below gets as far as a server: what it is given is not for it to handle.
NO_POOL = cast("Pool", None)
NO_STORE = cast("ObjectStore", None)


def end() -> NoReturn:
    raise AssertionError("the process would have ended")


@dataclass
class Carried:
    """What a stage did with messages: its dead letters with their reasons, and its log."""

    dead: list[tuple[str, str]]
    log: list[str]


def carried(stage: Stage[Any], *bodies: bytes) -> Carried:
    producer = RecordedProducer()
    supervised = Supervised(stage, DeadLetters(producer, CLOCK), give_up=end)
    with capture_logs() as log:
        supervised.carry_through(
            [
                Message(stage.topic, b"k", body, partition=0, offset=n)
                for n, body in enumerate(bodies)
            ]
        )
    return Carried(
        [(one.topic, dict(one.headers)["reason"].decode()) for one in producer.stored],
        [f"{line['event']} {line.get('count', '')}".strip() for line in log],
    )


def changed(event: Event[Any], **data: object) -> bytes:
    """Return an event's body with other data; `type` and `dataschema` are the envelope's."""
    message = json.loads(event.encode())
    for name in ("type", "dataschema"):
        if name in data:
            message[name] = data.pop(name)
    message["data"] |= data
    return json.dumps(message).encode()


REQUESTED = events.job_requested(
    JobRequested(
        job_id=JOB.id,
        account_id="acc_1",
        preset="identity",
        bucket="uploads",
        key="in/acc_1/identity/a.png",
        etag="0e",
        size=9,
        found_by="event",
        uploaded_at=AT,
    ),
    at=AT,
)
FINISHED = events.work_finished(
    WorkFinished(
        job_id=JOB.id,
        attempt=1,
        outcome="failed",
        code=ErrorCode.PROCESSING_FAILED,
        worker="w",
        started_at=AT,
        finished_at=AT,
    )
)
USAGE = events.usage_recorded(
    UsageRecorded(
        job_id=JOB.id,
        account_id=JOB.account_id,
        operation=OperationName.IDENTITY,
        outcome=JobState.SUCCEEDED,
        amount=1,
        unit="CNY",
        environment="live",
        admitted_at=AT,
        ended_at=AT,
        input_bytes=1,
        input_pixels=1,
    )
)
ENDED = events.job_changed(
    JobChanged(
        job_id=JOB.id,
        account_id="acc_1",
        version=2,
        state=JobState.FAILED,
        attempt=1,
        by=Actor.RESULTS,
        at=AT,
        origin=Origin.OBJECT,
        code=ErrorCode.PROCESSING_FAILED,
        source_key="in/acc_1/identity/a.png",
    )
)
ADMISSION = Admission(NO_POOL, CLOCK, timedelta(days=7))
RESULTS = Results(NO_POOL, NO_STORE, CLOCK)
BILLING = Billing(NO_POOL, CLOCK)


@pytest.mark.parametrize(
    ("stage", "event", "change"),
    [
        (ADMISSION, REQUESTED, {"type": "picmend.job.requested-by-mail"}),
        (ADMISSION, REQUESTED, {"dataschema": "urn:picmend:schema:picmend.job.requested:2"}),
        (ADMISSION, REQUESTED, {"found_by": "inventory"}),
        (ADMISSION, REQUESTED, {"problem": {"code": "mask_rotated"}}),
        (RESULTS, FINISHED, {"type": "picmend.work.paused"}),
        (RESULTS, FINISHED, {"outcome": "postponed"}),
        (RESULTS, FINISHED, {"code": "mask_rotated"}),
        (BILLING, USAGE, {"type": "picmend.usage.corrected"}),
        (BILLING, USAGE, {"outcome": "archived"}),
        (BILLING, USAGE, {"dataschema": "urn:picmend:schema:picmend.usage.recorded:2"}),
    ],
)
def test_what_a_reader_must_know_and_does_not_waits_among_the_dead_letters_as_newer(
    stage: Stage[Any], event: Event[Any], change: dict[str, object]
) -> None:
    assert carried(stage, changed(event, **change)).dead == [(f"{stage.topic}.dlq", "newer")]


def test_garbage_is_still_unreadable() -> None:
    assert carried(ADMISSION, b"{}", b"garbage").dead == [("job-requests.dlq", "unreadable")] * 2


def test_money_is_not_held_up_by_an_operation_or_code_that_only_a_newer_version_knows() -> None:
    body = changed(USAGE, operation="restyle", code="mask_rotated")
    read = BILLING.decode(Message("usage", b"k", body))
    assert (read.job_id, read.amount, read.outcome) == (JOB.id, 1, JobState.SUCCEEDED)


STORE = S3ObjectStore(
    endpoint="http://127.0.0.1:9", access_key="a", secret_key="b" * 8, bucket="uploads"
)


@pytest.mark.parametrize(
    "change",
    [
        {"type": "picmend.abuse.cleared"},
        {"type": "picmend.job.queued", "state": "queued", "by": "curator"},
        {"type": "picmend.job.succeeded", "state": "succeeded", "operation": "restyle"},
        {"type": "picmend.job.archived", "state": "archived", "origin": "api"},
    ],
)
def test_a_newer_event_that_calls_for_no_problem_file_is_skipped_and_counted(
    change: dict[str, object],
) -> None:
    done = carried(Problems(STORE), changed(ENDED, **change), changed(ENDED, **change))
    assert done.dead == []
    assert done.log == ["newer_events_skipped 2"]


@pytest.mark.parametrize(
    "change",
    [
        {"type": "picmend.job.archived", "state": "archived"},
        {"code": "mask_rotated"},
        {"dataschema": "urn:picmend:schema:picmend.job.changed:2"},
    ],
)
def test_a_newer_end_that_may_call_for_a_problem_file_is_kept_as_newer(
    change: dict[str, object],
) -> None:
    assert carried(Problems(STORE), changed(ENDED, **change)).dead == [("job-events.dlq", "newer")]


def test_what_a_store_announces_in_a_newer_form_is_read_or_no_upload() -> None:
    intake = Intake(cast("Announcer", None), CLOCK, bucket="uploads")
    record = {
        "eventVersion": "3.1",
        "eventName": "ObjectCreated:Teleport",
        "beamed": True,
        "s3": {
            "bucket": {"name": "uploads", "new": 1},
            "object": {"key": "in/acc_1/identity/a.png", "size": 3, "eTag": "0e", "new": 1},
        },
    }
    other = record | {"eventName": "ObjectDreamt:Put"}
    body = json.dumps({"Records": [record, other], "version": 9}).encode()
    (created,) = intake.decode(Message("object-events", b"k", body))
    assert created.key == "in/acc_1/identity/a.png"
