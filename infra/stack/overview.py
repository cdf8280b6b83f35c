"""A stack as it stands: which servers answer, what lags, how many jobs are in which state."""

import http.client
import socket
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg

from infra.kafka import BrokerUnavailableError
from infra.kafka_lag import STREAMS, WORKERS, LagReader, TopicProgress
from infra.settings import Settings
from infra.stack.errors import StackError
from infra.stack.judgement import OutboxHead


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a server answers at its address."""

    server: str
    address: str
    answers: bool


def addresses(settings: Settings) -> Mapping[str, str]:
    """Return host:port of each server by name, without any password."""
    database = urlsplit(settings.database_url.get_secret_value())
    store = urlsplit(settings.s3_endpoint)
    return {
        "kafka": settings.kafka_bootstrap.split(",")[0],
        "postgres": f"{database.hostname}:{database.port or 5432}",
        "store": f"{store.hostname}:{store.port or (443 if store.scheme == 'https' else 80)}",
        "api": f"{settings.api_host}:{settings.api_port}",
    }


def answers(settings: Settings, names: tuple[str, ...]) -> tuple[Answer, ...]:
    """Say of each named server whether it takes connections."""
    places = addresses(settings)
    return tuple(Answer(name, places[name], _connects(places[name])) for name in names)


def lag(settings: Settings) -> tuple[TopicProgress, ...]:
    """Return the progress of every consumer group. Raises `StackError` when Kafka is away."""
    try:
        reader = LagReader(settings.kafka_bootstrap)
        try:
            return (*reader.read(STREAMS), *reader.read(WORKERS))
        finally:
            reader.close()
    except BrokerUnavailableError as error:
        raise StackError(
            f"cannot read the lag: Kafka at {settings.kafka_bootstrap} does not answer ({error})"
        ) from error


def jobs_by_state(settings: Settings) -> Mapping[str, int]:
    """Return how many jobs are in each state that has any. Raises `StackError`."""
    try:
        with psycopg.connect(
            settings.database_url.get_secret_value(), connect_timeout=3
        ) as connection:
            rows = connection.execute("SELECT state, count(*) FROM jobs GROUP BY state ORDER BY 1")
            return {str(state): int(count) for state, count in rows}
    except psycopg.Error as error:
        place = addresses(settings)["postgres"]
        raise StackError(f"cannot count jobs: Postgres at {place} says: {error}") from error


def outbox_head(settings: Settings) -> OutboxHead | None:
    """Return the row of the outbox that has waited longest, if any. Raises `StackError`."""
    try:
        with psycopg.connect(
            settings.database_url.get_secret_value(), connect_timeout=3
        ) as connection:
            row = connection.execute(
                "SELECT id, greatest(0, extract(epoch FROM clock_timestamp() - at))::float8"
                " FROM outbox ORDER BY id LIMIT 1"
            ).fetchone()
    except psycopg.Error as error:
        place = addresses(settings)["postgres"]
        raise StackError(f"cannot see the outbox: Postgres at {place} says: {error}") from error
    return OutboxHead(*row) if row else None


def store_answers(settings: Settings) -> bool:
    """Whether the object store answers a request, whatever it says."""
    try:
        with urllib.request.urlopen(settings.s3_endpoint, timeout=3.0):  # noqa: S310 - our own
            return True
    except urllib.error.HTTPError as answer:
        answer.close()
        return True
    except (OSError, http.client.HTTPException):
        return False


def _connects(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=3.0).close()
    except OSError:
        return False
    return True
