"""The one table of Kafka topics: names, partitions, retention, replication.

Topics are made here and nowhere else, before any process starts: the brokers create none by
themselves, and Faust never looks again for a topic that is missing when it starts.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError, RetriableError, for_code

from infra.kafka import MAX_DEAD_LETTER_BYTES
from schemas.operations import OperationName
from schemas.topics import (
    ABUSE_FINDINGS,
    JOB_EVENTS,
    JOB_REQUESTS,
    JOB_RESULTS,
    OBJECT_EVENTS,
    USAGE,
    dlq,
    work,
)

PARTITIONS: Final = 8

_WEEK: Final = timedelta(days=7)
_MONTH: Final = timedelta(days=30)
_THIRTEEN_MONTHS: Final = timedelta(days=396)

_TOPIC_ALREADY_EXISTS: Final = 36


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """How one topic is made.

    `replication` is the number of brokers that hold each partition; `max_message_bytes` is the
    broker's own limit (1 MiB) when None.
    """

    name: str
    retention: timedelta
    partitions: int = PARTITIONS
    replication: int = 1
    max_message_bytes: int | None = None


class TopicCreationError(Exception):
    """Kafka refused to make a topic, or could not be asked; the message says which and why."""


SOURCE_TOPICS: Final = (
    TopicSpec(OBJECT_EVENTS, _WEEK),
    TopicSpec(JOB_REQUESTS, _WEEK),
    *(TopicSpec(work(operation), _WEEK) for operation in OperationName),
    TopicSpec(JOB_RESULTS, _WEEK),
    TopicSpec(USAGE, _THIRTEEN_MONTHS),
    TopicSpec(JOB_EVENTS, _MONTH),
    TopicSpec(ABUSE_FINDINGS, _THIRTEEN_MONTHS),
)
"""Every topic that is no dead-letter topic."""

TOPICS: Final = (
    *SOURCE_TOPICS,
    *(
        TopicSpec(dlq(topic.name), _MONTH, partitions=1, max_message_bytes=MAX_DEAD_LETTER_BYTES)
        for topic in SOURCE_TOPICS
    ),
)
"""Every topic there is."""


@dataclass(frozen=True, slots=True)
class TopicsReport:
    """What `create_topics` found: the names it made, and those that were there before."""

    made: tuple[str, ...]
    present: tuple[str, ...]


def create_topics(
    bootstrap: str,
    *,
    topics: Sequence[TopicSpec] = TOPICS,
    replication: int | None = None,
    timeout_s: float = 30.0,
) -> TopicsReport:
    """Make the topics that are missing and wait until each has a leader for every partition.

    May be run any number of times, by several processes at once; a topic that is there
    already is left as it is. `replication` overrides the table's, for clusters of more than
    one broker.

    Raises `TopicCreationError` when the brokers at `bootstrap` cannot be reached or refuse.
    """
    wanted: dict[str, dict[str, object]] = {
        topic.name: {
            "num_partitions": topic.partitions,
            "replication_factor": replication or topic.replication,
            "configs": _configs(topic),
        }
        for topic in topics
    }
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=bootstrap.split(","),
            client_id="picmend-topics",
            reconnect_backoff_max_ms=1000,
        )
        try:
            answer: dict[str, list[dict[str, object]]] = admin.create_topics(
                wanted, timeout_ms=int(timeout_s * 1000), raise_errors=False
            )
            report = _report(answer["topics"])
            admin.wait_for_topics(list(wanted), timeout_ms=int(timeout_s * 1000))
            _wake_coordinator(admin)
            return report
        finally:
            admin.close()
    except KafkaError as error:
        raise TopicCreationError(
            f"cannot make topics at {bootstrap}: {error}; check that Kafka answers there"
        ) from error


def _wake_coordinator(admin: KafkaAdminClient) -> None:
    # A fresh broker makes its own topic of offsets when it is first asked about a group. Asked
    # now, it is there before the first consumer comes, which else waits for it.
    with suppress(RetriableError):
        admin.list_group_offsets("picmend")


def _configs(topic: TopicSpec) -> dict[str, str]:
    configs = {"retention.ms": str(int(topic.retention.total_seconds() * 1000))}
    if topic.max_message_bytes is not None:
        configs["max.message.bytes"] = str(topic.max_message_bytes)
    return configs


def _report(answers: Sequence[dict[str, object]]) -> TopicsReport:
    made: list[str] = []
    present: list[str] = []
    refused: list[str] = []
    for answer in answers:
        name, code = str(answer["name"]), int(str(answer["error_code"]))
        match code:
            case 0:
                made.append(name)
            case _ if code == _TOPIC_ALREADY_EXISTS:
                present.append(name)
            case _:
                reason = str(answer.get("error_message") or for_code(code).__name__)
                refused.append(f"{name} ({reason})")
    if refused:
        raise TopicCreationError(f"Kafka refused to make {', '.join(refused)}")
    return TopicsReport(made=tuple(made), present=tuple(present))
