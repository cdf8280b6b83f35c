"""Kafka as picmend uses it: bytes, sends that are awaited, offsets committed by hand."""

import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError
from kafka.structs import OffsetAndMetadata

from infra import metrics

SESSION_TIMEOUT_S: Final = 8.0
HEARTBEAT_S: Final = 2.0
MAX_DEAD_LETTER_BYTES: Final = 2 * 1024 * 1024
RECONNECT_MS: Final = 1000
"""With the library's default a client was back 34 s after a 12 s outage; with this, after 7 s."""

_CONNECT_S: Final = 5.0


class BrokerUnavailableError(Exception):
    """Kafka did not take or give something; it may when asked again."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message to send, or one that came; `offset` is -1 until it has one."""

    topic: str
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()
    partition: int = -1
    offset: int = -1
    timestamp_ms: int = field(default=0, compare=False)


class Producer(Protocol):
    """Sends messages."""

    def send_all(self, messages: Sequence[Message]) -> None:
        """Return when every message is stored by all replicas; the order per key is kept.

        Raises `BrokerUnavailableError`; some may have been stored then. May be called by
        several threads.
        """
        ...


class Consumer(Protocol):
    """Reads the topics of one consumer group."""

    def poll(self, timeout_s: float) -> Sequence[Message]:
        """Return what came, perhaps nothing. Raises `BrokerUnavailableError`."""
        ...

    def commit(self, messages: Sequence[Message]) -> None:
        """Note that these, and all before them, are done. Raises `BrokerUnavailableError`.

        What came before the last rebalance is for whoever has its partition now to note: that
        may be this consumer again, to which it comes again, unless it is noted already.
        """
        ...

    def hold_back(self, topics: Collection[str]) -> None:
        """Give nothing more of these topics, until called again without them."""
        ...


class KafkaPythonProducer:
    """`Producer` on a real broker: idempotent, acks=all.

    A client whose messages ran out of time is given up for a new one: kafka-python's idempotent
    producer may wait for ever then for the id that it lost (seen with a broker frozen for 40 s).
    """

    def __init__(self, bootstrap: str, *, client_id: str, patience_s: float = 20.0) -> None:
        """Connect. A message that is not stored within `patience_s` has failed."""
        self._options = {
            "bootstrap_servers": bootstrap.split(","),
            "client_id": client_id,
            "acks": "all",
            "linger_ms": 1,
            "reconnect_backoff_max_ms": RECONNECT_MS,
            "request_timeout_ms": int(patience_s * 500),
            "delivery_timeout_ms": int(patience_s * 1000),
            "max_block_ms": int(patience_s * 500),
            # A dead letter is the largest message that a topic takes, and its headers.
            "max_request_size": MAX_DEAD_LETTER_BYTES,
        }
        self._patience_s = patience_s
        self._changing = threading.Lock()
        self._client: KafkaProducer | None = KafkaProducer(**self._options)

    def send_all(self, messages: Sequence[Message]) -> None:
        """See `Producer`. A message over the broker's size limit raises `ValueError`."""
        client = self._connected()
        try:
            futures = [
                client.send(
                    message.topic,
                    key=message.key,
                    value=message.value,
                    headers=list(message.headers),
                )
                for message in messages
            ]
            for future in futures:
                future.get(timeout=1.5 * self._patience_s)
        except MessageSizeTooLargeError as error:
            raise ValueError(f"a message is too large for Kafka: {error}") from error
        except KafkaError as error:
            if isinstance(error, KafkaTimeoutError):
                self._give_up(client)
            metrics.PRODUCER_ERRORS.inc()
            raise BrokerUnavailableError(f"Kafka did not store a message: {error!r}") from error

    def close(self) -> None:
        """Send what waits, and disconnect."""
        with self._changing:
            client, self._client = self._client, None
        if client is not None:
            with suppress(KafkaTimeoutError):
                client.close(timeout=5)

    def _connected(self) -> KafkaProducer:
        """Return the client, or a new one when it was given up."""
        if client := self._client:
            return client
        # Many threads must not wait one after the other for a broker that is away.
        if not self._changing.acquire(timeout=_CONNECT_S):
            raise BrokerUnavailableError("Kafka does not answer another thread either")
        try:
            bootstrap_ms = int(_CONNECT_S * 1000)
            self._client = self._client or KafkaProducer(
                **self._options, bootstrap_timeout_ms=bootstrap_ms
            )
        except KafkaError as error:
            metrics.PRODUCER_ERRORS.inc()
            raise BrokerUnavailableError(f"Kafka does not answer: {error!r}") from error
        else:
            return self._client
        finally:
            self._changing.release()

    def _give_up(self, client: KafkaProducer) -> None:
        """Let what still waits in a client fail, for every thread; the next call makes another."""
        with self._changing:
            mine = self._client is client
            if mine:
                self._client = None
        if not mine:
            return
        # To close means to wait for what is unsent, and to go on with it when that takes too
        # long; only its thread can be told to let go.
        client._sender.force_close()  # noqa: SLF001 - there is no public way
        client._sender.join(_CONNECT_S)  # noqa: SLF001 - as above
        with suppress(KafkaTimeoutError):
            client.close(timeout=0)


class _OnAssigned(ConsumerRebalanceListener):  # type: ignore[misc]  # the library is untyped
    """Calls back when a rebalance has given partitions to this consumer."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Do nothing: what is running is fenced by its lease, not by its partition."""

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:  # noqa: ARG002 - the library's signature
        """Call back."""
        self._call()


class KafkaPythonConsumer:
    """`Consumer` on a real broker. Used by one thread."""

    def __init__(
        self, bootstrap: str, topics: Collection[str], *, group: str, client_id: str
    ) -> None:
        self._consumer = KafkaConsumer(
            bootstrap_servers=bootstrap.split(","),
            client_id=client_id,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=int(SESSION_TIMEOUT_S * 1000),
            heartbeat_interval_ms=int(HEARTBEAT_S * 1000),
            fetch_max_wait_ms=100,
            reconnect_backoff_max_ms=RECONNECT_MS,
        )
        self._held_back: frozenset[str] = frozenset()
        self._first: dict[TopicPartition, int] = {}
        self._consumer.subscribe(list(topics), listener=_OnAssigned(self._begin_anew))
        # Who joins before it knows its topics' partitions is given none, must join again, and
        # at times forgets to (1 of some hundred starts).
        missing = set(topics) - self._consumer.topics()
        if missing:
            self._consumer.close()
            raise BrokerUnavailableError(
                f"Kafka has no topic {', '.join(sorted(missing))}; `picmend migrate` makes it"
            )

    def poll(self, timeout_s: float) -> list[Message]:
        """See `Consumer`."""
        try:
            batches = self._consumer.poll(timeout_ms=int(timeout_s * 1000))
        except KafkaError as error:
            raise BrokerUnavailableError(f"Kafka gave nothing: {error!r}") from error
        for at, records in batches.items():
            self._first.setdefault(at, records[0].offset)
        return [
            Message(
                topic=record.topic,
                key=record.key,
                value=record.value or b"",
                headers=tuple(record.headers),
                partition=record.partition,
                offset=record.offset,
                timestamp_ms=record.timestamp,
            )
            for records in batches.values()
            for record in records
        ]

    def commit(self, messages: Sequence[Message]) -> None:
        """See `Consumer`."""
        next_offsets: dict[TopicPartition, int] = {}
        for message in messages:
            at = TopicPartition(message.topic, message.partition)
            # What is older may be behind what another has noted meanwhile: it would go back.
            if at in self._first and message.offset >= self._first[at]:
                next_offsets[at] = max(next_offsets.get(at, 0), message.offset + 1)
        if not next_offsets:
            return
        try:
            self._consumer.commit(
                {at: OffsetAndMetadata(offset, "", -1) for at, offset in next_offsets.items()}
            )
        except KafkaError as error:
            raise BrokerUnavailableError(f"Kafka did not note offsets: {error!r}") from error

    def hold_back(self, topics: Collection[str]) -> None:
        """See `Consumer`."""
        self._held_back = frozenset(topics)
        self._apply_holds()

    def partitions(self) -> frozenset[tuple[str, int]]:
        """Return the partitions that have been given to this consumer, as (topic, number)."""
        return frozenset((at.topic, at.partition) for at in self._consumer.assignment())

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _begin_anew(self) -> None:
        """Take up the partitions that a rebalance has left here, where they are noted."""
        self._first.clear()
        # Paused before anything of them is fetched.
        self._apply_holds()

    def _apply_holds(self) -> None:
        assigned: set[TopicPartition] = self._consumer.assignment()
        paused: set[TopicPartition] = self._consumer.paused()
        held = {at for at in assigned if at.topic in self._held_back}
        if held - paused:
            self._consumer.pause(*(held - paused))
        if paused - held:
            self._consumer.resume(*(paused - held))


class Admin:
    """Asks the broker whether it is there."""

    def __init__(self, bootstrap: str) -> None:
        self._admin = KafkaAdminClient(
            bootstrap_servers=bootstrap.split(","),
            client_id="picmend-admin",
            request_timeout_ms=5_000,
            reconnect_backoff_max_ms=RECONNECT_MS,
        )

    def ping(self) -> None:
        """Return when the broker answers. Raises `BrokerUnavailableError`."""
        try:
            self._admin.describe_cluster()
        except KafkaError as error:
            raise BrokerUnavailableError(f"Kafka does not answer: {error!r}") from error

    def close(self) -> None:
        """Disconnect."""
        self._admin.close()
