"""Replay: bringing a restored database from its backup's moment to where the topics have got.

The topics outlive the database. They tell which uploads were decided, which jobs ended and how,
and what was charged; this does it again, at the times at which it was done, through the same
functions as the stages. Meanwhile no process may work: the stages would do the same out of
order, and a usage event that comes before its job's hold is refused.

All of it may be done again, after a failure in the middle. What cannot be brought back is told:
see `Replayed`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

from psycopg import Connection

from domain.billing import service as billing
from domain.billing.model import InsufficientBalance, NewHold, RefusedUsage
from domain.jobs import read, store
from domain.jobs.model import Ending, Job, may_end
from domain.pipeline.decide import Known, Rejected, decide_batch
from domain.pipeline.end import end_batch
from domain.pipeline.resolve import Candidate, SourceProblem
from infra.clock import Clock
from infra.postgres import Pool
from infra.topic_reader import Span, TopicReader
from schemas import topics
from schemas.errors import ErrorCode
from schemas.events import (
    Event,
    EventData,
    JobChanged,
    JobRequested,
    UnreadableEventError,
    UsageToBill,
    WorkFinished,
)
from schemas.ids import JobId
from schemas.states import TERMINAL, Actor, JobState
from streams.admission import candidate_of
from streams.billing import usage_of
from streams.results import ending_of

BATCH: Final = 500

Tell = Callable[[str], None]
"""Told each part as it begins, in one line."""

D = TypeVar("D", bound=EventData)
T = TypeVar("T")


class NotAsBeforeError(Exception):
    """A job was queued, or charged, and now cannot be: what it needs came after the backup."""

    def __init__(self, account_id: str, code: ErrorCode, detail: str) -> None:
        remedy = _REMEDIES.get(code, "Enter what is missing again")
        super().__init__(
            f"after the backup {account_id} was served, and now would be refused: {code}, {detail}."
            f" What it needs came after the backup, and is in no topic."
            f" {remedy.format(account=account_id)}; then call this again with --continue, or with"
            " --continue --force to go on without"
        )
        self.account_id = account_id
        self.code = code


_REMEDIES: Final = {
    ErrorCode.INSUFFICIENT_BALANCE: (
        "Enter its top-ups again with `picmend ledger top-up {account} AMOUNT --key KEY`, under"
        " the keys of the payments"
    ),
    ErrorCode.ACCOUNT_UNKNOWN: "Make the account again under its old id, as the guide says",
    ErrorCode.ACCOUNT_SUSPENDED: "Lift its suspension with `picmend account resume {account}`",
}


@dataclass(frozen=True, slots=True)
class Starts:
    """From which offsets on, by partition, each topic tells what the database may not know."""

    job_events: Mapping[int, int]
    job_requests: Mapping[int, int]
    job_results: Mapping[int, int]
    usage: Mapping[int, int]


@dataclass(slots=True)
class Replayed:
    """What was brought back, and what not.

    `decided`, `succeeded`, `ended` and `settled` count uploads decided again, jobs whose
    result stood in the store, jobs ended otherwise, and usage events that closed holds.
    `again` counts jobs that had ended and will be run again, charged once all the same.
    `money_only` are jobs whose charge is back while they themselves are not: asked for by
    the API, whose requests no topic keeps. `forgotten` are those of them that were under way.
    `refused` tells usage events that contradict the ledger. `rejected` are uploads that were
    queued then and are rejected now, with the reason; there are none unless that is accepted.
    """

    decided: int = 0
    succeeded: int = 0
    ended: int = 0
    settled: int = 0
    again: int = 0
    money_only: list[JobId] = field(default_factory=list)
    forgotten: list[JobId] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    usage_read: dict[int, int] = field(default_factory=dict)
    """Up to where the usage topic was read, by partition: billing goes on from there."""


@dataclass(frozen=True, slots=True)
class _Past:
    """A clock that shows the time at which something was done first."""

    at: datetime

    def now(self) -> datetime:
        """See `infra.clock.Clock`."""
        return self.at


@dataclass(slots=True)
class _Story:
    """The first and last that was told of a job, by its version, since the backup."""

    first: JobChanged
    last: JobChanged


class Replay:
    """One replay. `lifetime` is how long a job may wait, as for admission.

    With `force` it goes on where a job cannot be served as it was, and tells of it.
    """

    def __init__(
        self,
        pool: Pool,
        reader: TopicReader,
        clock: Clock,
        *,
        lifetime: timedelta,
        tell: Tell,
        force: bool = False,
    ) -> None:
        self._pool = pool
        self._reader = reader
        self._clock = clock
        self._lifetime = lifetime
        self._tell = tell
        self._force = force
        self._done = Replayed()

    def run(self, starts: Starts) -> Replayed:
        """Bring back what the topics tell.

        Raises `NotAsBeforeError`, `BrokerUnavailableError`, and psycopg's errors; what was
        done before stays, and is passed over the next time.
        """
        self._done = Replayed(usage_read=self._reader.ends(topics.USAGE))
        self._tell("reading what was told of jobs since the backup")
        stories = self._stories(starts.job_events)
        self._tell(f"deciding again the uploads among {len(stories)} jobs")
        self._decide(stories, starts.job_requests)
        self._tell("ending again what had ended")
        self._succeed(stories, starts.job_results)
        self._end(stories)
        self._tell("closing holds as they were closed")
        self._settle(starts.usage)
        with self._pool.connection() as conn:
            known = store.known(conn, stories)
        self._done.forgotten = sorted(
            job for job in stories.keys() - known if stories[job].last.state not in TERMINAL
        )
        return self._done

    def _stories(self, start: Mapping[int, int]) -> dict[JobId, _Story]:
        stories: dict[JobId, _Story] = {}
        for event in self._read(topics.JOB_EVENTS, Event[JobChanged], start):
            story = stories.setdefault(event.job_id, _Story(event, event))
            if event.version < story.first.version:
                story.first = event
            if event.version >= story.last.version:
                story.last = event
        return stories

    def _decide(self, stories: Mapping[JobId, _Story], start: Mapping[int, int]) -> None:
        """Decide each upload that was decided, at the same time, with the others of its batch.

        One that was rejected is rejected again for the same reason.
        """
        batches: dict[datetime, dict[JobId, Candidate]] = {}
        for request in self._read(topics.JOB_REQUESTS, Event[JobRequested], start):
            story = stories.get(request.job_id)
            if story is not None and story.first.version == 1:
                candidate = _as_decided(candidate_of(request), story)
                batches.setdefault(story.first.at, {})[request.job_id] = candidate
        for at, batch in sorted(batches.items()):
            with self._pool.connection() as conn:
                decisions = decide_batch(
                    conn,
                    list(batch.values()),
                    clock=_Past(at),
                    lifetime=self._lifetime,
                    again=True,
                )
                for job_id, decision in decisions.items():
                    if isinstance(decision, Rejected):
                        self._compare(decision, stories[job_id].first)
            self._done.decided += sum(
                not isinstance(decision, Known) for decision in decisions.values()
            )

    def _succeed(self, stories: Mapping[JobId, _Story], start: Mapping[int, int]) -> None:
        """End with their results the jobs that had succeeded."""
        batches: dict[datetime, list[Ending]] = {}
        for finished in self._read(topics.JOB_RESULTS, Event[WorkFinished], start):
            story = stories.get(finished.job_id)
            if (
                story is not None
                and story.last.state is JobState.SUCCEEDED
                and finished.outcome == "succeeded"
                and finished.result is not None
            ):
                batches.setdefault(story.last.at, []).append(ending_of(finished))
        for at, endings in sorted(batches.items()):
            with self._pool.connection() as conn:
                self._done.succeeded += len(end_batch(conn, endings, clock=_Past(at)))

    def _end(self, stories: Mapping[JobId, _Story]) -> None:
        """End the jobs that had ended otherwise, where that is legal from where they stand.

        A job that failed while it ran waits again now: it is run again, and fails again.
        """
        over = [s.last for s in stories.values() if s.last.state in TERMINAL]
        for told in sorted(over, key=lambda event: event.at):
            with self._pool.connection() as conn:
                job = store.lock(conn, [told.job_id]).get(told.job_id)
                if job is not None and (ending := _same_ending(job, told)) is not None:
                    self._done.ended += len(end_batch(conn, [ending], clock=_Past(told.at)))

    def _settle(self, start: Mapping[int, int]) -> None:
        """Close holds by the usage events that closed them.

        That of a job under way waits for the job: it will be run again, and end for itself.
        """
        usages = self._read(topics.USAGE, Event[UsageToBill], start)
        for batch in _batches(usages, BATCH):
            with self._pool.connection() as conn:
                standing = read.standing(conn, [usage.job_id for usage in batch])
                unknown = [usage for usage in batch if usage.job_id not in standing]
                ended = [
                    usage
                    for usage in batch
                    if usage.job_id in standing and standing[usage.job_id][1] is not None
                ]
                self._hold(conn, unknown)
                outcomes = billing.record_usage(
                    conn, [usage_of(usage) for usage in ended + unknown], at=self._clock.now()
                )
            refused = [outcome for outcome in outcomes if isinstance(outcome, RefusedUsage)]
            self._done.settled += len(outcomes) - len(refused)
            self._done.again += len(batch) - len(ended) - len(unknown)
            without = {outcome.job_id for outcome in refused}
            self._done.money_only += [u.job_id for u in unknown if u.job_id not in without]
            self._done.refused += [f"{r.problem} of {r.job_id}: {r.detail}" for r in refused]

    def _compare(self, decision: Rejected, told: JobChanged) -> None:
        """Note a job that is rejected and was not then, or undo its batch by raising."""
        if told.state is JobState.REJECTED:
            return
        if not self._force:
            raise NotAsBeforeError(
                decision.job.account_id, decision.code, f"{decision.detail} ({decision.job.id})"
            )
        self._done.rejected.append(f"{decision.job.id}: {decision.code}, {decision.detail}")

    def _hold(self, conn: Connection, usages: Iterable[UsageToBill]) -> None:
        """Post the holds that these usage events tell of, as they were posted."""
        asked = {
            usage.job_id: NewHold(
                usage.job_id, usage.account_id, usage.amount, usage.unit, usage.admitted_at
            )
            for usage in usages
        }
        for job_id, outcome in billing.post_holds(conn, list(asked.values())).items():
            # Without its hold the usage event is refused, and told of, below.
            if isinstance(outcome, InsufficientBalance) and not self._force:
                raise NotAsBeforeError(
                    asked[job_id].account_id,
                    ErrorCode.INSUFFICIENT_BALANCE,
                    f"{outcome.required} {outcome.unit} minor units, {outcome.available} available"
                    f" ({job_id})",
                )

    def _read(self, topic: str, envelope: type[Event[D]], start: Mapping[int, int]) -> Iterator[D]:
        """Yield the data of a topic's events; what is none lies with the dead letters already."""
        for message in self._reader.read(topic, Span(beyond=start)):
            try:
                yield envelope.decode(message.value).data
            except UnreadableEventError:
                continue


def _as_decided(candidate: Candidate, story: _Story) -> Candidate:
    """Return the candidate such that it is decided as it was.

    One that was in review goes there again, unless it was let through since.
    """
    told = story.first
    if told.state is JobState.REVIEW:
        return replace(candidate, review=story.last.state in {JobState.REVIEW, JobState.REJECTED})
    if told.state is not JobState.REJECTED or told.code is None:
        return candidate
    return replace(candidate, facts=SourceProblem(told.code, told.detail, told.limit))


def _same_ending(job: Job, told: JobChanged) -> Ending | None:
    """Return the ending that was told of, by whoever may end the job so from where it stands."""
    for by in (told.by, Actor.CLIENT, Actor.OPERATOR, Actor.SWEEPER):
        ending = Ending(
            job.id, told.state, by, attempt=told.attempt, code=told.code, detail=told.detail
        )
        if told.state is not JobState.SUCCEEDED and may_end(job, ending):
            return ending
    return None


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    batch: list[T] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
