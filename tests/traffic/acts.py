"""What clients do: acts in event time, and the clients that do them."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from domain.admission.facts import Facts, Source, Subject, SubjectKind

START: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""When what is watched begins: a Monday evening in Shanghai. What was before is history."""
LASTS: Final = timedelta(minutes=62)
TICK: Final = timedelta(seconds=10)
SECOND: Final = timedelta(seconds=1)
MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Use:
    """A key used from a network."""

    key_id: str
    account_id: str
    network: str
    country: str
    requests: int


@dataclass(frozen=True, slots=True)
class Act:
    """What is counted of a subject at a moment, and whose key was seen where."""

    at: datetime
    source: Source
    subject: Subject
    facts: Facts
    use: Use | None = None


@dataclass(frozen=True, slots=True)
class Client:
    """An account of a plan, its one key, where it usually is, and how old it is at the start."""

    account_id: str
    plan: str
    network: str
    key_id: str
    age: timedelta

    def sends(self, at: datetime, facts: Facts) -> Act:
        """Return jobs being decided."""
        return Act(at, Source.ADMISSION, Subject(SubjectKind.ACCOUNT, self.account_id), facts)

    def gets(self, at: datetime, facts: Facts) -> Act:
        """Return jobs ending."""
        return Act(at, Source.RESULTS, Subject(SubjectKind.ACCOUNT, self.account_id), facts)

    def asks(
        self, at: datetime, facts: Facts, *, network: str = "", country: str = "CN"
    ) -> Iterator[Act]:
        """Yield requests to the API: of the account, of its key, and in a network."""
        where = network or self.network
        use = Use(self.key_id, self.account_id, where, country, facts.requests)
        yield Act(at, Source.API, Subject(SubjectKind.ACCOUNT, self.account_id), facts)
        yield Act(at, Source.API, Subject(SubjectKind.KEY, self.key_id), facts, use)
        yield Act(at, Source.API, Subject(SubjectKind.NETWORK, where), facts)


def spread(
    rng: random.Random, total: int, begins: datetime, lasts: timedelta, tick: timedelta = TICK
) -> Iterator[tuple[datetime, int]]:
    """Yield moments with counts that sum to `total`, about evenly and never quite."""
    ticks = max(1, lasts // tick)
    weights = [rng.uniform(0.8, 1.2) for _ in range(ticks)]
    whole, done, passed = sum(weights), 0, 0.0
    for number, weight in enumerate(weights):
        passed += weight
        upto = total if number == ticks - 1 else math.floor(total * passed / whole)
        if upto > done:
            yield begins + number * tick, upto - done
        done = upto


def evenings(
    rng: random.Random, days: int, jobs: int, *, last: int = 1
) -> Iterator[tuple[datetime, int]]:
    """Yield an hour of each of some days before, with about so many jobs, the oldest first."""
    for ago in range(days, last - 1, -1):
        at = START - ago * DAY + rng.randrange(-3, 3) * HOUR
        yield at, max(1, round(jobs * rng.uniform(0.6, 1.4)))
