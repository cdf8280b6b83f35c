"""Which faults strike, and when: a pure function of a seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

AWAY_S: Final = 10.0
FREEZES_S: Final = (17.0, 35.0)
"""Over the session of a Kafka consumer (8 s) and the lease of a job (15 s); the longer one over
the time in which a frozen process is to be replaced (30 s)."""

_PROCESSES: Final = ("streams", "worker", "api")
_SERVERS: Final = ("postgres", "kafka", "store")


class Kind(StrEnum):
    """What can be done to a running system."""

    KILL = "kill"
    """SIGKILL to one of picmend's processes."""

    KILL_RELAY = "kill_relay"
    """SIGKILL to streams at a moment when the outbox holds messages."""

    TERM = "term"
    """SIGTERM to a process at work, which is started again when it has ended."""

    FREEZE = "freeze"
    """SIGSTOP to a process; SIGCONT after a while, if it has not been replaced."""

    RESTART = "restart"
    """A server stopped and started at once."""

    AWAY = "away"
    """A server stopped, and started after a while."""

    SUSPEND = "suspend"
    """An account suspended by an operator, and resumed after a while."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done to whom, and for how many seconds."""

    kind: Kind
    target: str
    seconds: float = 0.0

    def __str__(self) -> str:
        lasting = f" for {self.seconds:g} s" if self.seconds else ""
        return f"{self.kind} {self.target}{lasting}"


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault and its moment.

    Of the load, jobs up to `until` are sent around it; it strikes when `at` of them have been,
    and those over `midway` are sent when it has struck. One that strikes `alone` waits for the
    faults before it to be over, and the next one waits for it: its recovery is measured.
    """

    at: int
    midway: int
    until: int
    fault: Fault
    alone: bool


def brief(seed: int, jobs: int) -> tuple[Strike, ...]:
    """Return a schedule of some two minutes, in which every kind of fault occurs.

    No freeze is so long that the frozen process is replaced: other tests are about that.
    """
    choice = Random(seed)
    watched, other = choice.sample(("streams", "worker"), 2)
    measured = [
        Fault(Kind.KILL, "streams"),
        Fault(Kind.KILL, "worker"),
        Fault(Kind.AWAY, "kafka", AWAY_S),
        Fault(Kind.AWAY, "postgres", AWAY_S),
        Fault(Kind.FREEZE, watched, FREEZES_S[0]),
    ]
    others = [
        Fault(Kind.KILL, "api"),
        Fault(Kind.KILL_RELAY, "streams"),
        Fault(Kind.TERM, "streams"),
        Fault(Kind.TERM, "worker"),
        Fault(Kind.FREEZE, other, FREEZES_S[0]),
        Fault(Kind.SUSPEND, "account", 4.0),
        *(Fault(Kind.RESTART, server) for server in _SERVERS),
        Fault(Kind.AWAY, "store", AWAY_S / 2),
    ]
    return _spread([(f, True) for f in measured] + [(f, False) for f in others], choice, jobs)


def full(seed: int, jobs: int, *, rounds: int = 1, terms: int = 20) -> tuple[Strike, ...]:
    """Return a schedule in which, in each round, every fault strikes every target.

    Of the SIGTERMs there are `terms` a round. Half of all faults strike alone; the others come
    in the wake of the one before, whatever state that left things in.
    """
    choice = Random(seed)
    faults: list[tuple[Fault, bool]] = []
    for _ in range(rounds):
        some = [
            *(Fault(Kind.KILL, process) for process in _PROCESSES * 2),
            *(Fault(Kind.KILL_RELAY, "streams") for _ in range(2)),
            *(Fault(Kind.TERM, _PROCESSES[n % len(_PROCESSES)]) for n in range(terms)),
            *(Fault(Kind.FREEZE, process, choice.choice(FREEZES_S)) for process in _PROCESSES),
            *(Fault(Kind.RESTART, server) for server in _SERVERS),
            *(Fault(Kind.AWAY, server, AWAY_S) for server in _SERVERS),
            *(Fault(Kind.SUSPEND, "account", choice.uniform(2.0, 20.0)) for _ in range(2)),
        ]
        faults += [(fault, choice.random() < 0.5) for fault in some]
    return _spread(faults, choice, jobs)


def _spread(faults: Sequence[tuple[Fault, bool]], choice: Random, jobs: int) -> tuple[Strike, ...]:
    """Give each fault, in random order, an equal part of the jobs and a moment in it."""
    part = jobs // len(faults)
    if part < 1:
        raise ValueError(f"{jobs} jobs are too few for {len(faults)} faults")
    shuffled = choice.sample(faults, len(faults))
    return tuple(
        Strike(
            at=n * part + int(part * choice.uniform(0.1, 0.5)),
            midway=n * part + int(part * 0.6),
            until=(n + 1) * part,
            fault=fault,
            alone=alone,
        )
        for n, (fault, alone) in enumerate(shuffled)
    )
