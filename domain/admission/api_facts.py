"""What the API saw: requests counted by who sent them, until they are written down."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Final

from domain.admission.facts import Facts, Subject, SubjectKind, bucket_of

MOST: Final = 20_000
"""Subjects with their minutes, and keys with their networks and hours, kept at once."""


class Answer(Enum):
    """How a request was answered, as far as rules ask."""

    DONE = auto()
    READ = auto()
    """Of a result, a list or usage."""
    LIMITED = auto()
    """It came too soon: 429 `rate_limited`."""
    OVER_LIMIT = auto()
    """A quota or a full queue: 429 with any other code."""
    BROKEN_FILE = auto()
    """A job was asked for with a file that cannot be read."""
    HOSTILE_FILE = auto()
    """The same with a bomb."""
    INVALID_KEY = auto()
    """With a key that is nobody's, however it was answered."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One request. `account_id` and `key_id` are those of a valid key, else None."""

    at: datetime
    answer: Answer
    network: str
    country: str = ""
    account_id: str | None = None
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """A key used from a network, in the hour that begins at `hour`."""

    key_id: str
    network: str
    hour: datetime


@dataclass(frozen=True, slots=True)
class Sighted:
    """How a key was used: of which account, from which country, how often, first and last."""

    account_id: str
    country: str
    requests: int
    first_at: datetime
    last_at: datetime

    def plus(self, other: "Sighted") -> "Sighted":
        """Return both together."""
        return replace(
            self,
            country=self.country or other.country,
            requests=self.requests + other.requests,
            first_at=min(self.first_at, other.first_at),
            last_at=max(self.last_at, other.last_at),
        )


@dataclass(slots=True)
class Tally:
    """Requests, counted by subject and minute, and by key, network and hour.

    It holds `most` of each: what would be one more is not counted but in `dropped`, so that
    neither a database that is away nor a stranger with many addresses makes it grow. Not for
    several threads at once.
    """

    most: int = MOST
    facts: dict[tuple[Subject, datetime], Facts] = field(default_factory=dict)
    sighted: dict[Use, Sighted] = field(default_factory=dict)
    dropped: int = 0

    def __bool__(self) -> bool:
        """Tell whether anything is counted."""
        return bool(self.facts or self.sighted)

    def count(self, seen: Seen) -> None:
        """Count a request for its account, its key and its network."""
        counted = _FACTS[seen.answer]
        minute = bucket_of(seen.at)
        self._add(Subject(SubjectKind.NETWORK, seen.network), minute, counted)
        if seen.account_id is None or seen.key_id is None:
            return
        self._add(Subject(SubjectKind.ACCOUNT, seen.account_id), minute, counted)
        self._add(Subject(SubjectKind.KEY, seen.key_id), minute, counted)
        self._sight(
            Use(seen.key_id, seen.network, _hour_of(seen.at)),
            Sighted(seen.account_id, seen.country, 1, seen.at, seen.at),
        )

    def add(self, other: "Tally") -> None:
        """Count what another one has counted."""
        for (subject, minute), counted in other.facts.items():
            self._add(subject, minute, counted)
        for use, sighted in other.sighted.items():
            self._sight(use, sighted)
        self.dropped += other.dropped

    def _add(self, subject: Subject, minute: datetime, counted: Facts) -> None:
        key = (subject, minute)
        before = self.facts.get(key)
        if before is not None:
            self.facts[key] = before.plus(counted)
        elif len(self.facts) < self.most:
            self.facts[key] = counted
        else:
            self.dropped += 1

    def _sight(self, use: Use, sighted: Sighted) -> None:
        before = self.sighted.get(use)
        if before is not None:
            self.sighted[use] = before.plus(sighted)
        elif len(self.sighted) < self.most:
            self.sighted[use] = sighted
        else:
            self.dropped += 1


_FACTS: Final[Mapping[Answer, Facts]] = {
    Answer.DONE: Facts(requests=1),
    Answer.READ: Facts(requests=1, reads=1),
    Answer.LIMITED: Facts(requests=1, limited=1),
    Answer.OVER_LIMIT: Facts(requests=1, over_limit=1),
    Answer.BROKEN_FILE: Facts(requests=1, jobs=1, rejected=1, broken=1),
    Answer.HOSTILE_FILE: Facts(requests=1, jobs=1, rejected=1, hostile=1),
    Answer.INVALID_KEY: Facts(requests=1, invalid_keys=1),
}


def _hour_of(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
