"""What a rule is: a pure function of what is known of a subject, to a match or nothing."""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from domain.admission.facts import Bucket, Facts, Subject, SubjectKind, total


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
class Known:
    """All that a rule may know of a subject, as it stood at `until` (exclusive, event time).

    `minutes` are those of the last hours that have facts, `hours` the history of 28 days before
    them, both oldest first and without gaps filled. `sightings` are those of the key, of the
    account's keys, or in the network, of the last days. `account_age` is of an account or of
    the account that a key belongs to; None of a network.
    """

    subject: Subject
    plan: str
    until: datetime
    minutes: Sequence[Bucket] = ()
    hours: Sequence[Bucket] = ()
    sightings: Sequence[Sighting] = ()
    account_id: str | None = None
    account_age: timedelta | None = None
    free_accounts: frozenset[str] = frozenset()
    """Of the accounts in `sightings`, those on the free plan."""

    _sums: dict[timedelta, Facts] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def within(self, width: timedelta) -> Facts:
        """Return the sums over the last `width` before `until`."""
        if width not in self._sums:
            first = bisect_left(self.minutes, self.until - width, key=_begins)
            last = bisect_left(self.minutes, self.until, key=_begins)
            self._sums[width] = total(bucket.facts for bucket in self.minutes[first:last])
        return self._sums[width]


def _begins(bucket: Bucket) -> datetime:
    return bucket.at


@dataclass(frozen=True, slots=True)
class Match:
    """A rule found something: over which window, and the counts and thresholds that show it.

    `evidence` has at most 8 members, of short names and plain values.
    """

    window: timedelta
    evidence: Mapping[str, int | float | str]


P = TypeVar("P", bound=RuleParameters)


@dataclass(frozen=True, slots=True)
class Rule(Generic[P]):
    """A rule: its name, whom it is asked of, its parameters' type, and its one function."""

    name: str
    kinds: frozenset[SubjectKind]
    parameters: type[P]
    judge: Callable[[Known, P], Match | None]
    defaults: Mapping[str, P] = field(default_factory=dict)
    """Parameters by plan; `*` for every plan that has none of its own."""
