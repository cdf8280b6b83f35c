"""Facts: what a subject did in each minute of event time. Rules are asked of these alone."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from operator import attrgetter
from typing import Final

BUCKET: Final = timedelta(minutes=1)
KEPT: Final = timedelta(days=90)


class SubjectKind(StrEnum):
    """Who is watched."""

    ACCOUNT = "account"
    KEY = "key"
    NETWORK = "network"


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """An account by its id, an API key by its id, or a network as `192.0.2.0/24`."""

    kind: SubjectKind
    id: str


class Source(StrEnum):
    """Who tells a fact; each has rows of its own, so that none waits for another."""

    ADMISSION = "admission"
    RESULTS = "results"
    API = "api"


@dataclass(frozen=True, slots=True)
class Facts:
    """Counts, over some time. Each is a column of `facts`.

    jobs: decided, for whatever outcome; pixels: their inputs'; rejected: for any reason;
    over_limit: by a quota or a full queue; broken: not readable as a picture; hostile: bombs
    and disguised files; repeated: the account sent the same picture before; shared: another
    account did. succeeded, failed, content_refused: how jobs ended. requests: to the API;
    reads: of ended jobs, lists and usage; limited: they came too soon; invalid_keys: requests
    with a key that is nobody's.
    """

    jobs: int = 0
    pixels: int = 0
    rejected: int = 0
    over_limit: int = 0
    broken: int = 0
    hostile: int = 0
    repeated: int = 0
    shared: int = 0
    succeeded: int = 0
    failed: int = 0
    content_refused: int = 0
    requests: int = 0
    reads: int = 0
    limited: int = 0
    invalid_keys: int = 0

    def plus(self, other: "Facts") -> "Facts":
        """Return the sums."""
        return Facts(*(getattr(self, name) + getattr(other, name) for name in NAMES))


NAMES: Final = tuple(field.name for field in fields(Facts))
NO_FACTS: Final = Facts()
_values = attrgetter(*NAMES)


def total(many: Iterable[Facts]) -> Facts:
    """Return the sums over many: for every rule and window of every subject, so in few steps."""
    return Facts(*map(sum, zip(*map(_values, many), strict=True)))


@dataclass(frozen=True, slots=True)
class Bucket:
    """What a subject did in the time that begins at `at`: a minute, or an hour of history."""

    at: datetime
    facts: Facts


def bucket_of(at: datetime) -> datetime:
    """Return the beginning, in UTC, of the minute that `at` (aware) is in."""
    return at.astimezone(UTC).replace(second=0, microsecond=0)
