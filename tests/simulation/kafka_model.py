"""Kafka as a model: partitions, groups with sessions and generations, sends that half succeed.

What the pipeline relies on is asked of it by `tests/contract/test_kafka_adapter.py`, as it is of
the real broker.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from infra.kafka import SESSION_TIMEOUT_S, BrokerUnavailableError, Message

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

PARTITIONS: Final = 4
MAX_MESSAGE: Final = 1024 * 1024
MAX_POLL: Final = 40

Place = tuple[str, int]


@dataclass
class Member:
    """A consumer as its group knows it."""

    topics: frozenset[str]
    heard: float


@dataclass
class Group:
    """Members, who has which partition, and how far each partition is done."""

    members: dict[str, Member] = field(default_factory=dict)
    generation: int = 0
    committed: dict[Place, int] = field(default_factory=dict)


class Broker:
    """The broker's side. `clock` tells seconds; a member unheard of for a session is out."""

    def __init__(self, clock: Callable[[], float], *, partitions: int = PARTITIONS) -> None:
        self._clock = clock
        self._partitions = partitions
        self.logs: dict[str, list[list[Message]]] = defaultdict(
            lambda: [[] for _ in range(self._partitions)]
        )
        self.groups: dict[str, Group] = defaultdict(Group)
        self.away = False

    def require(self) -> None:
        """Raise `BrokerUnavailableError` while the broker is away."""
        if self.away:
            raise BrokerUnavailableError("the broker is away")

    def partition_of(self, message: Message) -> int:
        """Return where a message goes: one key, one partition."""
        return zlib.crc32(message.key or message.value) % self._partitions

    def append(self, message: Message) -> None:
        """Store a message."""
        number = self.partition_of(message)
        log = self.logs[message.topic][number]
        log.append(
            replace(
                message,
                partition=number,
                offset=len(log),
                timestamp_ms=int(self._clock() * 1000),
            )
        )

    def everything(self, topic: str) -> list[Message]:
        """Return all messages of a topic, in order within each partition."""
        return [message for log in self.logs[topic] for message in log]

    def lag(self, group: str, topic: str) -> int:
        """Return how many messages of a topic a group has not committed."""
        done = self.groups[group].committed
        return sum(
            len(log) - done.get((topic, number), 0) for number, log in enumerate(self.logs[topic])
        )

    def heartbeat(self, group_name: str, member: str, topics: frozenset[str]) -> int:
        """Hear of a member, which joins if it is not one; return the generation."""
        group = self._group(group_name)
        if member not in group.members:
            group.members[member] = Member(topics, self._clock())
            group.generation += 1
        group.members[member].heard = self._clock()
        return group.generation

    def leave(self, group_name: str, member: str) -> None:
        """Take a member out of its group."""
        group = self._group(group_name)
        if group.members.pop(member, None):
            group.generation += 1

    def assignment(self, group_name: str, member: str) -> set[Place]:
        """Return the partitions that a member has: shared out in turn, per topic."""
        group = self.groups[group_name]
        topics = group.members[member].topics
        mine: set[Place] = set()
        for topic in topics:
            sharing = sorted(name for name, other in group.members.items() if topic in other.topics)
            mine |= {
                (topic, number)
                for number in range(self._partitions)
                if sharing[number % len(sharing)] == member
            }
        return mine

    def commit(
        self, group_name: str, member: str, generation: int, offsets: dict[Place, int]
    ) -> None:
        """Note offsets. Raises `BrokerUnavailableError` for a member of a past generation."""
        group = self._group(group_name)
        if member not in group.members or generation != group.generation:
            raise BrokerUnavailableError("the group is being rebalanced")
        group.committed.update(offsets)

    def _group(self, name: str) -> Group:
        group = self.groups[name]
        out = [
            member
            for member, known in group.members.items()
            if self._clock() - known.heard > SESSION_TIMEOUT_S
        ]
        for member in out:
            del group.members[member]
            group.generation += 1
        return group


class ModelProducer:
    """`Producer` on the model, without faults."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def send_all(self, messages: Sequence[Message]) -> None:
        """See `Producer`."""
        self._broker.require()
        for message in messages:
            must_fit(message)
            self._broker.append(message)


class ModelConsumer:
    """`Consumer` on the model, without faults; `wait` lets time pass where nothing came."""

    def __init__(
        self,
        broker: Broker,
        topics: Collection[str],
        *,
        group: str,
        member: str,
        wait: Callable[[float], None],
        most: Callable[[], int] = lambda: MAX_POLL,
    ) -> None:
        self._broker = broker
        self._topics = frozenset(topics)
        self._group = group
        self._member = member
        self._wait = wait
        self._most = most
        self._generation = -1
        self._positions: dict[Place, int] = {}
        self._first: dict[Place, int] = {}
        self._held_back: frozenset[str] = frozenset()

    def poll(self, timeout_s: float) -> Sequence[Message]:
        """See `Consumer`."""
        self._broker.require()
        self._heartbeat()
        got = self._fetch()
        if not got and timeout_s > 0:
            self._wait(timeout_s)
            self._broker.require()
            self._heartbeat()
            got = self._fetch()
        return got

    def commit(self, messages: Sequence[Message]) -> None:
        """See `Consumer`."""
        self._broker.require()
        offsets: dict[Place, int] = {}
        for message in messages:
            place = (message.topic, message.partition)
            if place in self._first and message.offset >= self._first[place]:
                offsets[place] = max(offsets.get(place, 0), message.offset + 1)
        if offsets:
            self._broker.commit(self._group, self._member, self._generation, offsets)

    def hold_back(self, topics: Collection[str]) -> None:
        """See `Consumer`."""
        self._held_back = frozenset(topics)

    def close(self) -> None:
        """Leave the group."""
        self._broker.leave(self._group, self._member)

    def _heartbeat(self) -> None:
        generation = self._broker.heartbeat(self._group, self._member, self._topics)
        if generation != self._generation:
            # As with the real ones, all is given up and taken up again at what is committed.
            self._generation = generation
            self._first.clear()
            committed = self._broker.groups[self._group].committed
            self._positions = {
                place: committed.get(place, 0)
                for place in sorted(self._broker.assignment(self._group, self._member))
            }

    def _fetch(self) -> list[Message]:
        got: list[Message] = []
        room = self._most()
        for (topic, number), position in self._positions.items():
            if topic in self._held_back:
                continue
            came = self._broker.logs[topic][number][position : position + room - len(got)]
            self._positions[topic, number] = position + len(came)
            if came:
                self._first.setdefault((topic, number), position)
            got += came
        return got


def must_fit(message: Message) -> None:
    """Raise `ValueError` for a message that no topic takes."""
    size = len(message.key or b"") + len(message.value)
    size += sum(len(name) + len(value) for name, value in message.headers)
    if size >= MAX_MESSAGE:
        raise ValueError(f"a message of {size} bytes is too large for Kafka")
