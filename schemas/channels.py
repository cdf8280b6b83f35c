"""The topics as a contract: who writes and reads each, keyed by what, kept for how long.

The brokers' side of the same topics is `infra.kafka_topics`, which this package may not
import; a test holds the two tables equal.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from schemas import topics
from schemas.events import (
    AbuseFound,
    EventData,
    JobChanged,
    JobRequested,
    UsageRecorded,
    WorkDispatched,
    WorkFinished,
)
from schemas.operations import OperationName


class Role(StrEnum):
    """Who writes or reads topics."""

    OBJECT_STORE = "object-store"
    INTAKE = "intake"
    RECONCILER = "reconciler"
    ADMISSION = "admission"
    OUTBOX_RELAY = "outbox-relay"
    PROCESSOR_WORKER = "processor-worker"
    RESULTS = "results"
    BILLING = "billing"
    PROBLEMS = "problems"
    WEBHOOKS = "webhooks"
    ANALYSTS = "analysts"
    OPERATORS = "operators"
    DLQ_COMMAND = "dlq-command"


PEOPLE: Final = frozenset({Role.ANALYSTS, Role.OPERATORS})
"""Roles that read for themselves: they hold nothing up and dead-letter nothing."""


class RawFormat(StrEnum):
    """Formats in which object stores announce uploads."""

    SEAWEEDFS = "seaweedfs.event-notification"
    MINIO = "minio.event"
    AWS_S3 = "aws-s3.event"


Message = type[EventData] | RawFormat

PARTITIONS: Final = 8
DEAD_LETTER_PARTITIONS: Final = 1
DEAD_LETTER_RETENTION: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Channel:
    """One topic. `key` says what the Kafka key of its messages is."""

    topic: str
    summary: str
    key: str
    retention: timedelta
    messages: tuple[Message, ...]
    written_by: tuple[Role, ...]
    read_by: tuple[Role, ...]
    partitions: int = PARTITIONS

    @property
    def dead_letter_topic(self) -> str:
        """The topic that takes messages of this one that can never be handled."""
        return topics.dlq(self.topic)

    @property
    def dead_letter_writers(self) -> tuple[Role, ...]:
        """The readers that put what they cannot handle into the dead-letter topic."""
        return tuple(role for role in self.read_by if role not in PEOPLE)


def _work(operation: OperationName) -> Channel:
    return Channel(
        topic=topics.work(operation),
        summary=f"Attempts of {operation} jobs, for any worker to claim; a hint, not a lease.",
        key="job_id",
        retention=timedelta(days=7),
        messages=(WorkDispatched,),
        written_by=(Role.OUTBOX_RELAY,),
        read_by=(Role.PROCESSOR_WORKER,),
    )


CHANNELS: Final = (
    Channel(
        topic=topics.OBJECT_EVENTS,
        summary="What the object store announces, in the store's own format.",
        key="as the store sends it",
        retention=timedelta(days=7),
        messages=(RawFormat.SEAWEEDFS, RawFormat.MINIO, RawFormat.AWS_S3),
        written_by=(Role.OBJECT_STORE,),
        read_by=(Role.INTAKE,),
    ),
    Channel(
        topic=topics.JOB_REQUESTS,
        summary="Uploaded objects whose jobs wait to be decided.",
        key="account_id",
        retention=timedelta(days=7),
        messages=(JobRequested,),
        written_by=(Role.INTAKE, Role.RECONCILER),
        read_by=(Role.ADMISSION,),
    ),
    *(_work(operation) for operation in OperationName),
    Channel(
        topic=topics.JOB_RESULTS,
        summary="How each attempt ended, as its worker reports it.",
        key="job_id",
        retention=timedelta(days=7),
        messages=(WorkFinished,),
        written_by=(Role.PROCESSOR_WORKER,),
        read_by=(Role.RESULTS,),
    ),
    Channel(
        topic=topics.USAGE,
        summary="One event for each job that held money and has ended.",
        key="account_id",
        retention=timedelta(days=396),
        messages=(UsageRecorded,),
        written_by=(Role.OUTBOX_RELAY,),
        read_by=(Role.BILLING, Role.ANALYSTS),
    ),
    Channel(
        topic=topics.JOB_EVENTS,
        summary="Every transition of every job.",
        key="account_id",
        retention=timedelta(days=30),
        messages=(JobChanged,),
        written_by=(Role.OUTBOX_RELAY,),
        read_by=(Role.PROBLEMS, Role.WEBHOOKS, Role.ANALYSTS),
    ),
    Channel(
        topic=topics.ABUSE_FINDINGS,
        summary="What the rules against misuse found.",
        key="account_id",
        retention=timedelta(days=396),
        messages=(AbuseFound,),
        written_by=(Role.OUTBOX_RELAY,),
        read_by=(Role.OPERATORS, Role.ANALYSTS),
    ),
)
"""Every topic that is no dead-letter topic; each has one of those beside it."""
