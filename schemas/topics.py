"""Names of the Kafka topics. How each is made stands in `infra.kafka_topics`."""

from typing import Final

from schemas.operations import OperationName

OBJECT_EVENTS: Final = "object-events"
JOB_REQUESTS: Final = "job-requests"
JOB_RESULTS: Final = "job-results"
USAGE: Final = "usage"
JOB_EVENTS: Final = "job-events"
ABUSE_FINDINGS: Final = "abuse-findings"

DLQ_SUFFIX: Final = ".dlq"


def work(operation: OperationName) -> str:
    """Return the topic that carries work for an operation."""
    return f"work.{operation}"


def dlq(topic: str) -> str:
    """Return the topic that takes messages of `topic` which can never be handled."""
    return f"{topic}{DLQ_SUFFIX}"
