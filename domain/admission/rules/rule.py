"""What a rule is: a pure function of what is known of a subject, to a match or nothing."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from domain.admission.facts import BUCKET, Bucket, Facts, Subject, SubjectKind, total
from domain.admission.rules.ladder import Ladder, Mode, Severity

RECENT: Final = timedelta(hours=2)
"""Known by the minute; what was before, back to `HISTORY`, by the hour."""
HISTORY: Final = timedelta(days=28)
HOUR: Final = timedelta(hours=1)
EVERY_OTHER: Final = "*"
"""The plan of networks, and of every plan that has no setting of its own."""


class RuleParameters(BaseModel):
    """Thresholds of a rule: validated when they are written, and frozen."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Sighting:
    """A key of an account used from a network, in the hour that begins at `hour`."""

    key_id: str
    account_id: str
    network: str
    country: str
    hour: datetime
    requests: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Past:
    """How a key was used before the sightings that are known one by one, back to 90 days.

    `last_at`: when last; None: never. `networks`: all that it was used from. `most_networks`,
    `most_countries`: in its busiest hour.
    """

    last_at: datetime | None = None
    networks: frozenset[str] = frozenset()
    most_networks: int = 0
    most_countries: int = 0


NEVER_USED: Final = Past()


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An account that was seen in a network: its plan, its age, its jobs of the last 24 hours."""

    plan: str
    age: timedelta
    jobs: int


@dataclass(frozen=True, slots=True)
class Known:
    """All that a rule may know of a subject, as it stood at `until` (exclusive, event time).

    `minutes` begin with the full hour that is `RECENT` before `until`, or up to an hour sooner;
    `hours` are the history that ends where they begin, `HISTORY` long. Both have the oldest
    first, and no bucket for a time without facts.
    """

    subject: Subject
    plan: str
    until: datetime
    minutes: Sequence[Bucket] = ()
    hours: Sequence[Bucket] = ()
    sightings: Sequence[Sighting] = ()
    """Of a key: in the hours of `minutes`; of a network: of the last 24 hours."""
    past: Past = NEVER_USED
    """Of a key."""
    neighbours: Mapping[str, Neighbour] = field(default_factory=dict)
    """Of a network: the accounts in `sightings`, by id."""
    account_id: str | None = None
    """Of an account, or whose key it is; None of a network. So is its age."""
    account_age: timedelta | None = None

    _sums: dict[timedelta, Facts] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def within(self, width: timedelta) -> Facts:
        """Return the sums over the last `width` before `until`.

        What lies behind `minutes` counts by whole hours: those that begin within.
        """
        if width not in self._sums:
            self._sums[width] = total(bucket.facts for bucket in self.buckets(width))
        return self._sums[width]

    def buckets(self, width: timedelta) -> list[Bucket]:
        """Return the hours and the minutes of the last `width`, the oldest first."""
        since = self.until - width
        return [
            *_between(self.hours, since, self.until),
            *_between(self.minutes, since, self.until),
        ]

    def before(self, width: timedelta, span: timedelta) -> Facts:
        """Return the sums over the `span` that ends `width` before `until`."""
        since = self.until - width - span
        end = self.until - width
        return total(
            bucket.facts
            for part in (self.hours, self.minutes)
            for bucket in _between(part, since, end)
        )

    def latest(self, width: timedelta, counted: Callable[[Facts], int]) -> datetime:
        """Return the beginning of the last bucket within `width` in which something was counted.

        Where there is none, the beginning of the last minute.
        """
        for bucket in reversed(self.buckets(width)):
            if counted(bucket.facts):
                return bucket.at
        return self.until - BUCKET


def _between(part: Sequence[Bucket], since: datetime, end: datetime) -> Iterable[Bucket]:
    return part[bisect_left(part, since, key=_begins) : bisect_left(part, end, key=_begins)]


def _begins(bucket: Bucket) -> datetime:
    return bucket.at


@dataclass(frozen=True, slots=True)
class Match:
    """A rule found something: over which window, and the counts and thresholds that show it.

    `latest` is the beginning of the last bucket in which the subject did what the rule looks
    for: a window may still hold it long after it was left off. `evidence` has at most 8
    members, of short names and plain values.
    """

    window: timedelta
    latest: datetime
    evidence: Mapping[str, int | float | str]


P = TypeVar("P", bound=RuleParameters)


@dataclass(frozen=True, slots=True)
class Setting(Generic[P]):
    """How a rule stands for a plan."""

    parameters: P
    severity: Severity
    ladder: Ladder
    mode: Mode = Mode.ENFORCED
    fail_closed: bool = False
    """What follows when the rule raises: nothing, or new jobs are held for review."""


@dataclass(frozen=True, slots=True)
class Rule(Generic[P]):
    """A rule: its name, whom it is asked of, its parameters' type, and its one function."""

    name: str
    says: str
    """What it finds, as one sentence."""
    kinds: frozenset[SubjectKind]
    parameters: type[P]
    judge: Callable[[Known, P], Match | None]
    defaults: Mapping[str, Setting[P]]
    """By plan; `EVERY_OTHER` is always among them."""
