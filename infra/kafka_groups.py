"""Who is in a consumer group."""

from typing import Final

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from infra.kafka import RECONNECT_MS, BrokerUnavailableError

_TIMEOUT_MS: Final = 5000


def members(bootstrap: str, group: str) -> int:
    """Return how many consumers a group has now. Raises `BrokerUnavailableError`."""
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=bootstrap.split(","),
            client_id="picmend-groups",
            request_timeout_ms=_TIMEOUT_MS,
            bootstrap_timeout_ms=_TIMEOUT_MS,
            reconnect_backoff_max_ms=RECONNECT_MS,
        )
        try:
            described = admin.describe_groups([group])
        finally:
            admin.close()
    except KafkaError as error:
        raise BrokerUnavailableError(f"Kafka does not tell who is in {group}: {error!r}") from error
    return len(described[group]["members"])
