"""A job's story as moments in order of time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from cli.story.messages import Sighting
from domain.billing import money
from domain.pipeline.story import Attempt, Story
from infra.dead_letters import DeadLetter


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened to the job: when, of which kind, and what, in words."""

    at: datetime
    kind: str
    what: str


def timeline(
    told: Story, sightings: Sequence[Sighting], letters: Sequence[tuple[DeadLetter, bool]]
) -> list[Moment]:
    """Return everything that happened, the oldest first."""
    moments = [
        *_of_job(told),
        *_of_money(told),
        *(_message(sighting) for sighting in sightings),
        *(_letter(letter, still_open=still_open) for letter, still_open in letters),
    ]
    return sorted(moments, key=lambda moment: moment.at)


def _of_job(told: Story) -> Iterator[Moment]:
    job = told.job
    yield Moment(job.requested_at, "source", f"{job.source.key}, {job.source_bytes} bytes")
    for step in told.transitions:
        code = f" ({step.code})" if step.code else ""
        number = f", attempt {step.attempt}" if step.attempt else ""
        yield Moment(step.at, "state", f"{step.state}{code} by {step.by}{number}")
    for attempt in told.attempts:
        if attempt.ended_at is not None:
            yield Moment(attempt.ended_at, "attempt", _attempt(attempt))


def _attempt(attempt: Attempt) -> str:
    by = f" on {attempt.worker}" if attempt.worker else ""
    begun = attempt.claimed_at or attempt.dispatched_at
    ended = attempt.ended_at or begun
    return f"{attempt.number}{by}: {attempt.how}, after {(ended - begun).total_seconds():.1f} s"


def _of_money(told: Story) -> Iterator[Moment]:
    hold = told.hold
    if hold is not None:
        amount = money.to_text(hold.amount, hold.unit)
        yield Moment(hold.admitted_at, "hold", f"{amount} held, at the price {hold.price_id}")
        if hold.closed_at is not None:
            yield Moment(hold.closed_at, "hold", f"{amount} {hold.state}")
    for entry in told.entries:
        amount, after = (
            money.to_text(each, entry.unit) for each in (entry.amount, entry.balance_after)
        )
        yield Moment(
            entry.recorded_at,
            "ledger",
            f"{entry.kind} {entry.transaction_id}: {amount} on {entry.ledger}, then {after}",
        )
    usage = told.usage
    if usage is not None:
        charged = money.to_text(usage.charged, usage.unit)
        yield Moment(usage.ended_at, "usage", f"{usage.id}: {usage.outcome}, {charged} charged")


def _message(sighting: Sighting) -> Moment:
    place = "" if sighting.partition < 0 else f" {sighting.partition}/{sighting.offset}"
    again = ", again" if sighting.duplicate else ""
    what = f"{sighting.where}{place}: {sighting.type} {sighting.event_id}{again}"
    return Moment(sighting.at, "message", what)


def _letter(letter: DeadLetter, *, still_open: bool) -> Moment:
    place = f"{letter.message.topic} {letter.place.partition}/{letter.place.offset}"
    error = letter.headers.get("error", "")
    done = "" if still_open else ", done with"
    return Moment(letter.at, "dead letter", f"{place}: {letter.reason}, {error}{done}")
