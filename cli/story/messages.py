"""The messages about one job: in the outbox, on the topics, among the dead letters."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from domain.jobs.model import Job
from domain.pipeline.story import Unsent
from infra.dead_letters import DeadLetter, LetterBox
from infra.kafka import Message
from infra.object_events import UnreadableObjectEvent, decode
from infra.topic_reader import Span, TopicReader
from schemas import topics
from schemas.operations import OperationName

BEFORE: Final = timedelta(minutes=10)
"""How long before a job was asked for its messages may have been stored: clocks differ."""

AFTER: Final = timedelta(hours=1)
"""How long behind its end messages about a job are looked for."""

Progress = Callable[[str, int, int], None]
"""Told a topic, how many of its messages were read, and how many there are to read."""

_TOLD_EVERY: Final = 500


@dataclass(frozen=True, slots=True)
class Sighting:
    """One message about the job. `partition` and `offset` are -1 in the outbox.

    `event_id` of what the object store announces is made of key and ETag. A message is a
    `duplicate` when its topic had one with that id before.
    """

    at: datetime
    where: str
    partition: int
    offset: int
    event_id: str
    type: str
    duplicate: bool = False


def in_outbox(unsent: Sequence[Unsent]) -> list[Sighting]:
    """Return the messages that wait to be sent."""
    return [
        Sighting(each.at, f"outbox, for {each.topic}", -1, each.place, event_id, type_)
        for each in unsent
        for event_id, type_ in [_event(each.body, None) or ("", "")]
    ]


def on_topics(
    reader: TopicReader, job: Job, *, whole: bool, now: datetime, progress: Progress
) -> list[Sighting]:
    """Read the topics that may carry messages about a job, and return those, in order of time.

    Of each topic only the partition of its key, and the time of the job's life with `BEFORE`
    and `AFTER`, unless the `whole` is asked for. Raises `BrokerUnavailableError`.
    """
    found: list[Sighting] = []
    for topic, key in _places(job):
        span = Span() if whole else replace(lifetime(job, now), key=key)
        total, read = reader.count(topic, span), 0
        for message in reader.read(topic, span):
            read += 1
            if read % _TOLD_EVERY == 0:
                progress(topic, read, max(read, total))
            announced = topic == topics.OBJECT_EVENTS
            told = _announced(message, job) if announced else _event(message.value, job)
            if told is not None:
                at = datetime.fromtimestamp(message.timestamp_ms / 1000, UTC)
                found.append(Sighting(at, topic, message.partition, message.offset, *told))
        progress(topic, read, read)
    return marked(sorted(found, key=lambda each: (each.at, each.where, each.partition)))


def marked(sightings: Sequence[Sighting]) -> list[Sighting]:
    """Return the same with each one marked whose topic had its id before."""
    seen: set[tuple[str, str]] = set()
    told = []
    for each in sightings:
        told.append(replace(each, duplicate=(each.where, each.event_id) in seen))
        seen.add((each.where, each.event_id))
    return told


def dead(box: LetterBox, job: Job) -> Iterator[tuple[DeadLetter, bool]]:
    """Yield the dead letters that carry the job's id, or are its object's, and whether open."""
    for source in box.sources():
        letters = [letter for letter in box.letters(source) if _carries(letter, job)]
        if letters:
            done = box.done(source)
            yield from ((letter, letter.place not in done) for letter in letters)


def lifetime(job: Job, now: datetime) -> Span:
    """Return the time in which messages about a job were stored."""
    until = job.ended_at + AFTER if job.ended_at else now + AFTER
    return Span(since=min(job.requested_at, job.admitted_at) - BEFORE, until=until)


def _places(job: Job) -> Iterator[tuple[str, bytes | None]]:
    """Yield each topic with the key that messages about the job have there."""
    account, own = job.account_id.encode(), job.id.encode()
    # Which partition an object's key goes to is the object store's affair.
    yield topics.OBJECT_EVENTS, None
    yield topics.JOB_REQUESTS, account
    if job.operation is not None:
        yield topics.work(OperationName(job.operation)), own
    yield topics.JOB_RESULTS, own
    yield topics.USAGE, account
    yield topics.JOB_EVENTS, account


def _event(body: bytes, job: Job | None) -> tuple[str, str] | None:
    """Return id and type of one of our own events, if it is about `job` when that is given."""
    if job is not None and job.id.encode() not in body:
        return None
    try:
        event = json.loads(body)
        if job is not None and event["subject"] != job.id:
            return None
        return str(event["id"]), str(event["type"])
    except (ValueError, RecursionError, KeyError, TypeError):
        return None


def _announced(message: Message, job: Job) -> tuple[str, str] | None:
    """Return what the object store says in a message, if it is of the job's image or mask."""
    try:
        created = decode(message.key, message.value)
    except UnreadableObjectEvent:
        return None
    mine = {(each.key, each.etag) for each in (job.source, job.mask) if each is not None}
    for one in created:
        if one.bucket == job.bucket and (one.key, one.etag) in mine:
            return f"{one.key} {one.etag}", "object created"
    return None


def _carries(letter: DeadLetter, job: Job) -> bool:
    if job.id.encode() in letter.message.value:
        return True
    key = job.source.key.encode("utf-8", "surrogatepass")
    return letter.source == topics.OBJECT_EVENTS and (
        key in letter.message.value or (letter.message.key or b"").endswith(b"/" + key)
    )
