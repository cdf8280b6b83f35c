"""What the judge remembers of subjects, so that a changed minute costs the reading of a minute."""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Final

from psycopg import Connection

from domain.admission import known_store as store
from domain.admission.facts import BUCKET, Bucket, Subject, SubjectKind, total
from domain.admission.rules.rule import HISTORY, HOUR, NEVER_USED, RECENT, Past, Sighting

REMEMBERED: Final = 1_000_000
"""Buckets and sightings that are kept, of about 250 bytes each; the subjects that were not
judged for the longest time are forgotten first."""

DAY: Final = timedelta(days=1)
_JOBS_FRESH: Final = timedelta(minutes=10)
_AT_ONCE: Final = 25
"""Subjects whose history is read by one statement: up to 28 days of minutes each."""


def begins(until: datetime) -> datetime:
    """Return the full hour with which what is known by the minute begins."""
    return _hour_of(until - RECENT)


@dataclass(slots=True)
class Remembered:
    """One subject: minutes and sightings from the full hour `since` on, and what was before.

    Of a network, sightings go back a day further.
    """

    since: datetime
    minutes: list[Bucket] = field(default_factory=list)
    hours: list[Bucket] = field(default_factory=list)
    sightings: list[Sighting] = field(default_factory=list)
    past: Past = NEVER_USED

    @property
    def size(self) -> int:
        """How much it is, in buckets and sightings."""
        return len(self.minutes) + len(self.hours) + len(self.sightings)

    @property
    def newest(self) -> datetime:
        """The end of its last minute."""
        return self.minutes[-1].at + BUCKET if self.minutes else self.since

    def put(self, minute: Bucket) -> None:
        """Let a minute be so."""
        place = bisect_left(self.minutes, minute.at, key=_begins)
        same = place < len(self.minutes) and self.minutes[place].at == minute.at
        self.minutes[place : place + same] = [minute]

    def see(self, sightings: Iterable[Sighting]) -> None:
        """Let the sightings of these hours and all later ones be so."""
        new = list(sightings)
        if new:
            place = bisect_left(self.sightings, new[0].hour, key=_hour)
            self.sightings[place:] = new

    def minutes_at(self, until: datetime) -> Sequence[Bucket]:
        """Return the minutes that are known at a time, of which `begins` is not before `since`."""
        return _between(self.minutes, begins(until), until)

    def hours_at(self, until: datetime) -> Sequence[Bucket]:
        """Return the hours before those minutes."""
        end = begins(until)
        return [
            *self.hours[bisect_left(self.hours, end - HISTORY, key=_begins) :],
            *_by_hour(_between(self.minutes, self.since, end)),
        ]

    def sightings_at(self, until: datetime, since: datetime) -> list[Sighting]:
        """Return the sightings of the hours from `since` on that began before a time."""
        return [seen for seen in self.sightings if since <= seen.hour < until]

    def past_at(self, until: datetime) -> Past:
        """Return what was before the sightings of a key that are known one by one."""
        return _with(self.past, [s for s in self.sightings if s.hour < begins(until)])

    def jobs_between(self, since: datetime, end: datetime) -> int:
        """Return how many jobs there were in a time."""
        parts = (self.hours, self.minutes)
        return sum(b.facts.jobs for part in parts for b in _between(part, since, end))

    def forget(self, kind: SubjectKind) -> None:
        """Sum up, and forget, what is too old to be asked for one by one."""
        since = begins(self.newest) - HOUR
        if since > self.since:
            old = _between(self.minutes, self.since, since)
            self.hours = [
                *self.hours[bisect_left(self.hours, since - HISTORY, key=_begins) :],
                *_by_hour(old),
            ]
            del self.minutes[: len(old)]
            if kind is SubjectKind.KEY:
                self.past = _with(self.past, [s for s in self.sightings if s.hour < since])
            kept = _seen_from(kind, since)
            self.sightings = [s for s in self.sightings if s.hour >= kept]
            self.since = since


class Memory:
    """Remembers subjects. Right only while all that changes facts is told to it, so for one judge.

    After a gap, as when another process was the judge, `clear` it.
    """

    def __init__(self, limit: int = REMEMBERED) -> None:
        self._limit = limit
        self._size = 0
        self._subjects: OrderedDict[Subject, Remembered] = OrderedDict()
        self._idle: dict[str, tuple[datetime, int]] = {}

    def clear(self) -> None:
        """Forget everything."""
        self._subjects.clear()
        self._idle.clear()
        self._size = 0

    def get(self, subject: Subject) -> Remembered | None:
        """Return what is remembered of a subject."""
        return self._subjects.get(subject)

    def knows(self, subject: Subject, bucket: datetime) -> bool:
        """Tell whether a changed minute can be added to what is remembered of its subject."""
        own = self._subjects.get(subject)
        return own is not None and begins(bucket + BUCKET) >= own.since

    def learn(self, conn: Connection, changed: Mapping[Subject, Collection[datetime]]) -> None:
        """Bring subjects up to date, given their changed minutes; read anew those it must.

        They are known at the end of each of these minutes and at any later time, until `settle`.
        """
        known = {s: at for s, at in changed.items() if self.knows(s, min(at))}
        anew = {s: begins(min(at) + BUCKET) for s, at in changed.items() if s not in known}
        self._refresh(conn, known)
        order = list(anew)
        for place in range(0, len(order), _AT_ONCE):
            some = {subject: anew[subject] for subject in order[place : place + _AT_ONCE]}
            self.hold(recall(conn, some))

    def hold(self, read: Mapping[Subject, Remembered]) -> None:
        """Remember what was read, instead of what was remembered of these subjects."""
        for subject, own in read.items():
            self._size += own.size - self._size_of(subject)
            self._subjects[subject] = own

    def settle(self, subjects: Collection[Subject]) -> None:
        """After subjects were judged, keep of them what their newest minutes need.

        Then forget whole subjects that were not judged for the longest time, if need be.
        """
        for subject in subjects:
            own = self._subjects[subject]
            self._size -= own.size
            own.forget(subject.kind)
            self._size += own.size
            self._subjects.move_to_end(subject)
        while self._size > self._limit and len(self._subjects) > len(subjects):
            self._size -= self._subjects.popitem(last=False)[1].size

    def jobs_of_idle(self, conn: Connection, until: Mapping[str, datetime]) -> dict[str, int]:
        """Return how many jobs accounts that are not remembered had in the day before a moment.

        Nothing of them has changed lately, so it may be what was read `_JOBS_FRESH` ago.
        """
        idle = {
            id_: end
            for id_, end in until.items()
            if Subject(SubjectKind.ACCOUNT, id_) not in self._subjects
        }
        stale = {
            id_: end
            for id_, end in idle.items()
            if id_ not in self._idle or abs(end - self._idle[id_][0]) >= _JOBS_FRESH
        }
        if stale:
            if len(self._idle) > self._limit:
                self._idle.clear()
            end = max(stale.values())
            read = store.jobs_within(conn, stale, end - DAY, end)
            self._idle |= {id_: (end, read.get(id_, 0)) for id_ in stale}
        return {id_: self._idle[id_][1] for id_ in idle if id_ in self._idle}

    def _refresh(self, conn: Connection, changed: Mapping[Subject, Collection[datetime]]) -> None:
        if not changed:
            return
        minutes = store.minutes(conn, [(s, at) for s, all_ in changed.items() for at in all_])
        hours = {s: _hour_of(min(at)) for s, at in changed.items()}
        sightings = store.sightings(conn, hours)
        for subject in changed:
            own = self._subjects[subject]
            self._size -= own.size
            for minute in minutes.get(subject, ()):
                own.put(minute)
            own.see(sightings.get(subject, ()))
            self._size += own.size

    def _size_of(self, subject: Subject) -> int:
        own = self._subjects.get(subject)
        return own.size if own else 0


def recall(
    conn: Connection, since: Mapping[Subject, datetime], end: datetime | None = None
) -> dict[Subject, Remembered]:
    """Read what there is to know of subjects, each from a full hour on, and its history."""
    sightings = store.sightings(conn, {s: _seen_from(s.kind, at) for s, at in since.items()}, end)
    keys = {s: at for s, at in since.items() if s.kind is SubjectKind.KEY}
    pasts = store.pasts(conn, keys) if keys else {}
    return {
        subject: Remembered(
            at,
            store.minutes_from(conn, subject, at, end),
            store.hours_before(conn, subject, at),
            sightings.get(subject, []),
            pasts.get(subject, NEVER_USED),
        )
        for subject, at in since.items()
    }


def _seen_from(kind: SubjectKind, since: datetime) -> datetime:
    return since - store.NETWORK_SEEN if kind is SubjectKind.NETWORK else since


def _with(past: Past, sightings: Sequence[Sighting]) -> Past:
    if not sightings:
        return past
    hours = [list(seen) for _, seen in groupby(sightings, key=_hour)]
    lasts = [seen.last_at for seen in sightings]
    return Past(
        max(lasts if past.last_at is None else [past.last_at, *lasts]),
        past.networks | {seen.network for seen in sightings},
        max(past.most_networks, *(len({s.network for s in hour}) for hour in hours)),
        max(past.most_countries, *(len({s.country for s in hour} - {""}) for hour in hours)),
    )


def _by_hour(minutes: Sequence[Bucket]) -> Iterator[Bucket]:
    for hour, own in groupby(minutes, key=lambda minute: _hour_of(minute.at)):
        yield Bucket(hour, total(minute.facts for minute in own))


def _between(part: Sequence[Bucket], since: datetime, end: datetime) -> Sequence[Bucket]:
    return part[bisect_left(part, since, key=_begins) : bisect_left(part, end, key=_begins)]


def _hour_of(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _begins(bucket: Bucket) -> datetime:
    return bucket.at


def _hour(sighting: Sighting) -> datetime:
    return sighting.hour
