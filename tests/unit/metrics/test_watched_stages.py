"""What a stage and a worker count of their doings, and whom their log lines name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import psycopg
import structlog
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from structlog.typing import EventDict

from infra.clock import SystemClock
from infra.dead_letters import DeadLetters
from infra.kafka import Message
from processors.worker.execute import Failed
from processors.worker.leases import Leases
from processors.worker.observed import Observed
from schemas.errors import ErrorCode
from schemas.ids import JobId
from streams.stage import UnreadableMessageError
from streams.supervised import Patience, Supervised
from tests.fakes.recorded_producer import RecordedProducer
from tests.unit.domain.samples import AT, JOB

QUICK = Patience(world_s=5.0, stopping_s=5.0, first_pause_s=0.001, longest_pause_s=0.002)
KNOWN = b"known"


@dataclass(frozen=True)
class Note:
    job_id: JobId
    account_id: str
    body: bytes


class Watched:
    """A stage that is away `away` times, and refuses what says so."""

    name = "watched"
    topic = "notes"
    schema = "urn:notes"
    linger_s = 0.0

    def __init__(self, *, away: int = 0) -> None:
        self._away = away

    def decode(self, message: Message) -> Note:
        if message.value == b"unreadable":
            raise UnreadableMessageError("it is no note")
        return Note(JOB.id, JOB.account_id, message.value)

    def step(self, items: Sequence[Note]) -> None:
        if self._away:
            self._away -= 1
            raise psycopg.OperationalError("the server is away")
        if any(item.body == b"poison" for item in items):
            raise LookupError("a note that cannot be kept")


def count(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def carry(stage: Watched, *values: bytes) -> list[EventDict]:
    """Let a stage handle messages; return the log lines, each with what it is about."""
    letters = DeadLetters(RecordedProducer(), SystemClock())
    messages = [
        Message("notes", b"key", value, partition=3, offset=offset)
        for offset, value in enumerate(values)
    ]
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        Supervised(stage, letters, patience=QUICK).carry_through(messages)
    return lines


def test_batches_are_counted_with_their_sizes() -> None:
    batches = count("picmend_batch_messages_count", stage="watched")
    messages = count("picmend_batch_messages_sum", stage="watched")

    carry(Watched(), KNOWN, KNOWN, KNOWN)
    carry(Watched(), KNOWN)

    assert count("picmend_batch_messages_count", stage="watched") == batches + 2
    assert count("picmend_batch_messages_sum", stage="watched") == messages + 4


def test_each_wait_for_the_world_is_counted() -> None:
    before = count("picmend_world_waits_total", stage="watched")

    carry(Watched(away=3), KNOWN)

    assert count("picmend_world_waits_total", stage="watched") == before + 3


def test_dead_letters_are_counted_by_topic_and_reason() -> None:
    unreadable = count("picmend_dead_letters_total", topic="notes", reason="unreadable")
    refused = count("picmend_dead_letters_total", topic="notes", reason="refused")

    carry(Watched(), b"unreadable", b"poison", KNOWN, b"poison")

    name = "picmend_dead_letters_total"
    assert count(name, topic="notes", reason="unreadable") == unreadable + 1
    assert count(name, topic="notes", reason="refused") == refused + 2


def test_a_line_about_one_message_among_several_names_it_and_its_job() -> None:
    lines = carry(Watched(), KNOWN, b"poison", KNOWN)

    (dead,) = [line for line in lines if line["event"] == "message_dead"]
    ids = {"job": JOB.id, "account": JOB.account_id, "topic": "notes", "partition": 3, "offset": 1}
    assert ids.items() <= dead.items()


def test_a_wait_in_a_batch_of_several_names_none_of_them() -> None:
    lines = carry(Watched(away=1), KNOWN, KNOWN)

    (waits,) = [line for line in lines if line["event"] == "waiting_for_the_world"]
    assert (waits["stage"], waits["topic"]) == ("watched", "notes")
    assert not {"job", "account", "partition", "offset"} & waits.keys()


def test_what_was_bound_for_one_batch_is_gone_in_the_next() -> None:
    carry(Watched(), KNOWN)

    assert structlog.contextvars.get_contextvars() == {}


def test_attempts_asked_for_and_not_claimed_are_refusals() -> None:
    claims, refusals = count("picmend_claims_total"), count("picmend_claim_refusals_total")
    started = count("picmend_job_stage_seconds_sum", stage="started")
    job = replace(
        JOB, dispatched_at=AT + timedelta(seconds=4), started_at=AT + timedelta(seconds=7)
    )

    Observed(SystemClock()).claimed(5, [job])

    assert count("picmend_claims_total") == claims + 1
    assert count("picmend_claim_refusals_total") == refusals + 4
    assert count("picmend_job_stage_seconds_sum", stage="started") == started + 3


def test_an_attempt_is_counted_by_operation_and_outcome_and_its_lines_name_it() -> None:
    labels = {"operation": "identity", "outcome": "failed"}
    before = count("picmend_attempts_total", **labels)
    observed, message = Observed(SystemClock()), Message("work.identity", b"", b"", (), 2, 9)

    with (
        capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines,
        observed.attempt(JOB, message),
    ):
        structlog.get_logger("test").warning("within")
        observed.reported(JOB, Failed(ErrorCode.PROCESSING_FAILED, "no"))

    ids = {"job": JOB.id, "account": JOB.account_id, "attempt": 2, "partition": 2, "offset": 9}
    assert count("picmend_attempts_total", **labels) == before + 1
    assert ids.items() <= lines[0].items()


def test_leases_that_are_lost_or_could_not_be_renewed_are_counted_once_each() -> None:
    lost = count("picmend_lease_losses_total")
    failures = count("picmend_lease_renewal_failures_total")
    away = True

    def renew(attempts: list[tuple[JobId, int]]) -> dict[JobId, bool]:
        if away:
            raise psycopg.OperationalError(f"no answer about {attempts}")
        return {}

    leases = Leases(renew, SystemClock(), lease_s=15, renewal_s=5)
    leases.open(JOB)
    leases.renew_all()
    away = False
    leases.renew_all()
    leases.renew_all()

    assert count("picmend_lease_renewal_failures_total") == failures + 1
    assert count("picmend_lease_losses_total") == lost + 1
