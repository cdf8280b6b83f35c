"""A scenario: some clients, what they do, and a label that says whether rules may find it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from domain.admission.facts import Facts, Subject
from tests.traffic.acts import SECOND, START, Act, Client


@dataclass(frozen=True, slots=True)
class Abuse:
    """The rule that must find a subject; when it begins, and when it crosses the definition."""

    rule: str
    subject: Subject
    begins: datetime
    crosses: datetime


@dataclass(frozen=True, slots=True)
class Scenario:
    """Traffic with its label; without `abuse` it is honest."""

    name: str
    clients: Sequence[Client]
    acts: Sequence[Act]
    abuse: Abuse | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A scenario to be made of any seed; `misuse` says which of the two it must be."""

    name: str
    make: Callable[[Cast], Scenario]
    misuse: bool

    def play(self, seed: int) -> Scenario:
        """Return the scenario of a seed."""
        made = self.make(Cast(self.name, seed))
        if (made.abuse is not None) != self.misuse:
            raise ValueError(f"{self.name}, seed {seed}: its label is {made.abuse}")
        return made


GRADES: Final = {"right below": 0.9, "just above": 1.1, "gross": 5.0}
"""How much of a threshold is done in the window in which it counts."""


def in_grades(make: Callable[..., Scenario], **given: Any) -> list[Part]:
    """Return the parts of a maker, one for each grade; right below a threshold is honest."""
    name = " ".join([make.__name__, *([given["plan"]] if "plan" in given else [])])
    return [
        Part(f"{name}, {word}", partial(make, grade=grade, **given), misuse=grade > 1)
        for word, grade in GRADES.items()
    ]


class Cast:
    """Names and chance for one scenario: the same for the same name and seed."""

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self.rng = random.Random(f"{name}/{seed}")
        self.start: Final = START + self.rng.randrange(60) * SECOND
        """When it begins: minutes of facts do not begin with anybody's doings."""
        self._clients: list[Client] = []
        self._networks: set[str] = set()

    def network(self) -> str:
        """Return a network that nobody else in any scenario is likely to be in."""
        while True:
            a, b, c = (self.rng.randrange(256) for _ in range(3))
            network = f"2001:db8:{a:02x}{b:02x}::/48" if c % 4 == 0 else f"{a}.{b}.{c}.0/24"
            if network not in self._networks:
                self._networks.add(network)
                return network

    def client(
        self, plan: str, *, network: str = "", age: timedelta = timedelta(days=200)
    ) -> Client:
        """Add a client of a plan, in a network of its own unless one is given."""
        mark = f"{self.rng.getrandbits(64):016x}"
        client = Client(f"acc_{mark}", plan, network or self.network(), f"key_{mark}", age)
        self._clients.append(client)
        return client

    def scenario(
        self,
        acts: Iterable[Act],
        *,
        rule: str = "",
        subject: Subject | None = None,
        begins: datetime | None = None,
        crosses: datetime | None = None,
    ) -> Scenario:
        """Return the scenario of all clients made so far.

        It is honest unless a subject crosses the definition of a rule.
        """
        abuse = (
            Abuse(rule, subject, begins or self.start, crosses)
            if subject is not None and crosses is not None
            else None
        )
        in_order = sorted(acts, key=lambda act: act.at)
        return Scenario(self.name, self._clients, in_order, abuse)


def crossing(
    acts: Iterable[Act], subject: Subject, counted: Callable[[Facts], int], threshold: int
) -> datetime | None:
    """Return when a subject has done so much since the start; None: never.

    All that it does counts: a generator lets it end within the rule's window.
    """
    done = 0
    for act in sorted(acts, key=lambda act: act.at):
        if act.subject == subject and act.at >= START:
            done += counted(act.facts)
            if done >= threshold:
                return act.at
    return None
