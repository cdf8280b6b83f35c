"""The life of jobs driven by the domain's functions alone, on a database of one test's own."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import psycopg

from domain.accounts import service as accounts
from domain.accounts.model import AccountKind
from domain.admission.facts import Subject, SubjectKind
from domain.admission.restrictions import Step
from domain.billing import checks
from domain.billing import service as billing
from domain.billing.model import UsageOutcome
from domain.jobs import outbox, store
from domain.jobs.model import Ending, Header, Job, Result, StoredObject
from domain.jobs.turns import EVEN, Turns
from domain.pipeline.claim import claim_batch
from domain.pipeline.decide import Admitted, Decision, decide_batch
from domain.pipeline.dispatch import Turn, dispatch
from domain.pipeline.end import end_batch
from domain.pipeline.enrol import enrol
from domain.pipeline.resolve import Candidate
from domain.pipeline.restrain import restrain
from schemas import topics
from schemas.errors import ErrorCode
from schemas.events import Event, JobChanged, UsageRecorded, WorkDispatched
from schemas.ids import AccountId, JobId, object_job_id
from schemas.operations import ImageFormat, OperationName
from schemas.states import TERMINAL, Actor, JobState, Origin
from streams.billing import usage_of

WEEK = timedelta(days=7)
LEASE = timedelta(seconds=15)
IDENTITY = OperationName.IDENTITY
RESULT = Result("out/a.png", "0c", 9, "image/png", 40, 30)


@dataclass
class SetClock:
    """A clock that stands until it is moved."""

    at: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def move(self, by: timedelta) -> None:
        self.at += by


@dataclass
class World:
    """A connection as the application, and short ways through a job's life. Each call commits."""

    url: str
    conn: psycopg.Connection
    clock: SetClock = field(default_factory=SetClock)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @contextmanager
    def connect(self) -> Iterator[psycopg.Connection]:
        """Give a thread a connection of its own; a lock waited for 20 s is an error."""
        with psycopg.connect(self.url, options="-c lock_timeout=20s") as conn:
            yield conn

    def account(self, funds: int = 1_000_000) -> AccountId:
        enrolled = enrol(
            self.conn, name="Ada", kind=AccountKind.COMPANY, unit="CNY", clock=self.clock
        )
        if funds:
            billing.top_up(self.conn, enrolled.account.id, funds, key="first", at=self.clock.now())
        self.conn.commit()
        return enrolled.account.id

    def suspend(self, account_id: AccountId, conn: psycopg.Connection | None = None) -> None:
        """Suspend an account; commits, unless a connection is given."""
        accounts.suspend(
            conn or self.conn, account_id, reason="test", by="ops", at=self.clock.now()
        )
        if conn is None:
            self.conn.commit()

    def resume(self, account_id: AccountId) -> None:
        accounts.resume(self.conn, account_id, by="ops", at=self.clock.now())
        self.conn.commit()

    def restrain(
        self,
        account_id: AccountId,
        step: Step,
        *,
        operation: OperationName | None = None,
        until: datetime | None = None,
        conn: psycopg.Connection | None = None,
    ) -> None:
        """Put a step in force against an account; commits, unless a connection is given."""
        restrain(
            conn or self.conn,
            Subject(SubjectKind.ACCOUNT, account_id),
            step,
            operation=operation,
            finding_id=None,
            reason="test",
            by="ops",
            until=until,
            clock=self.clock,
        )
        if conn is None:
            self.conn.commit()

    def lift(self, account_id: AccountId) -> None:
        """Lift what is in force against an account beside its suspension as a whole."""
        self.conn.execute(
            "UPDATE restrictions SET lifted_at = %s, lifted_by = 'ops' WHERE subject = %s",
            (self.clock.now(), account_id),
        )
        self.conn.commit()

    def limit_in_flight(
        self, account_id: AccountId, value: int | None, *, operation: str = "*"
    ) -> None:
        """Limit an account's jobs in flight to another number than its plan's; None: not at all."""
        at = self.clock.now()
        self.conn.execute(
            "INSERT INTO quota_overrides"
            " (account_id, operation, quota, value, starts_at, reason, by, at)"
            " VALUES (%s, %s, 'jobs_in_flight', %s, %s, 'test', 'ops', %s)",
            (account_id, operation, value, at, at),
        )
        self.conn.commit()

    def candidate(self, account_id: str, preset: str = "identity") -> Candidate:
        """Return a new upload of a picture of 40x30 pixels."""
        key = f"in/{account_id}/{preset}/{next(self._numbers)}.png"
        return Candidate(
            job_id=object_job_id("uploads", key, "0e"),
            account_id=account_id,
            origin=Origin.OBJECT,
            preset=preset,
            parameters=None,
            bucket="uploads",
            source=StoredObject(key, "0e"),
            source_bytes=1000,
            mask=None,
            facts=Header(ImageFormat.PNG, 40, 30, has_alpha=False),
            requested_at=self.clock.now(),
        )

    def decide(self, *candidates: Candidate) -> dict[JobId, Decision]:
        decisions = decide_batch(self.conn, candidates, clock=self.clock, lifetime=WEEK)
        self.conn.commit()
        return decisions

    def admit(self, account_id: AccountId, count: int = 1, preset: str = "identity") -> list[JobId]:
        """Return so many new jobs of an account, which wait in the order they are returned."""
        candidates = [self.candidate(account_id, preset) for _ in range(count)]
        decisions = self.decide(*candidates)
        assert all(isinstance(each, Admitted) for each in decisions.values()), decisions
        return [candidate.job_id for candidate in candidates]

    def dispatch(
        self, cap: int = 1000, turns: Turns = EVEN, operation: OperationName = IDENTITY
    ) -> Turn:
        turn = dispatch(self.conn, operation, cap=cap, turns=turns, clock=self.clock)
        self.conn.commit()
        return turn

    def claim(self, *attempts: tuple[JobId, int], worker: str = "worker-1") -> list[JobId]:
        claimed = claim_batch(self.conn, attempts, worker=worker, lease=LEASE, clock=self.clock)
        self.conn.commit()
        return [job.id for job in claimed]

    def running(self, account_id: AccountId, count: int = 1) -> list[JobId]:
        """Return so many new jobs of an account whose first attempt runs."""
        job_ids = self.admit(account_id, count)
        while self.dispatch().dispatched:
            pass
        assert sorted(self.claim(*((job_id, 1) for job_id in job_ids))) == sorted(job_ids)
        return job_ids

    def bring(self, job_id: JobId, state: JobState) -> None:
        """Bring a queued job to a state, by whoever brings jobs there."""
        if state is JobState.QUEUED:
            return
        if state is JobState.EXPIRED:
            self.end(Ending(job_id, state, Actor.SWEEPER))
            return
        self.dispatch()
        if state is JobState.DISPATCHED:
            return
        self.claim((job_id, self.job(job_id).attempt))
        if state is JobState.SUCCEEDED:
            self.end(success(job_id))
        elif state in TERMINAL:
            self.end(failure(job_id, self.job(job_id).attempt, state))

    def end(self, *endings: Ending) -> dict[JobId, Job]:
        ended = end_batch(self.conn, endings, clock=self.clock)
        self.conn.commit()
        return ended

    def job(self, job_id: JobId) -> Job:
        found = store.get(self.conn, job_id)
        self.conn.commit()
        assert found is not None
        return found

    def states(self, *job_ids: JobId) -> list[JobState]:
        return [self.job(job_id).state for job_id in job_ids]

    def messages(self, topic: str) -> list[outbox.Message]:
        """Return what waits to be sent on a topic, in order."""
        rows = outbox.head(self.conn, 1_000_000)
        self.conn.commit()
        return [row.message for row in rows if row.message.topic == topic]

    def told(self) -> list[JobChanged]:
        return [
            Event[JobChanged].decode(each.body).data for each in self.messages(topics.JOB_EVENTS)
        ]

    def usage(self) -> list[UsageRecorded]:
        return [Event[UsageRecorded].decode(each.body).data for each in self.messages(topics.USAGE)]

    def work(self, operation: OperationName = IDENTITY) -> list[WorkDispatched]:
        return [
            Event[WorkDispatched].decode(each.body).data
            for each in self.messages(topics.work(operation))
        ]

    def bill(self) -> list[UsageOutcome]:
        """Record all usage that was told of, as billing does."""
        told = [usage_of(event) for event in self.usage()]
        outcomes = billing.record_usage(self.conn, told, at=self.clock.now())
        self.conn.commit()
        return outcomes

    def open_holds(self) -> frozenset[JobId]:
        found = billing.open_holds(self.conn)
        self.conn.commit()
        return found

    def until_blocked(self, count: int = 1) -> None:
        """Return when so many connections to this database wait for a lock."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            row = self.conn.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ).fetchone()
            self.conn.commit()
            if row and row[0] >= count:
                return
        raise AssertionError("nobody waits for a lock")

    def assert_sound(self) -> None:
        """Check what must hold of all jobs at any time, whatever was done to them."""
        self.conn.rollback()
        jobs = self.conn.execute("SELECT id, version, state FROM jobs").fetchall()
        rows = self.conn.execute(
            "SELECT job_id, version, state FROM transitions ORDER BY job_id, version"
        ).fetchall()
        steps: dict[str, list[tuple[int, str]]] = {}
        for job_id, version, state in rows:
            steps.setdefault(job_id, []).append((version, state))
        assert set(steps) == {job_id for job_id, _, _ in jobs}
        for job_id, version, state in jobs:
            assert [step for step, _ in steps[job_id]] == list(range(1, version + 1))
            assert steps[job_id][-1][1] == state
        self._assert_told(steps)
        self._assert_money(steps)

    def _assert_told(self, steps: dict[str, list[tuple[int, str]]]) -> None:
        told: dict[str, list[tuple[int, str]]] = {}
        for event in self.told():
            told.setdefault(event.job_id, []).append((event.version, event.state))
        assert told == steps

    def _assert_money(self, steps: dict[str, list[tuple[int, str]]]) -> None:
        queued = {id_ for id_, moves in steps.items() if "queued" in {state for _, state in moves}}
        ended = {id_ for id_ in queued if steps[id_][-1][1] in TERMINAL}
        assert sorted(event.job_id for event in self.usage()) == sorted(ended)
        assert queued - ended <= self.open_holds() <= queued
        assert checks.check(self.conn) == []
        assert checks.ledger_sum(self.conn) == 0


def success(job_id: JobId, attempt: int = 1) -> Ending:
    return Ending(job_id, JobState.SUCCEEDED, Actor.RESULTS, attempt=attempt, result=RESULT)


def failure(job_id: JobId, attempt: int = 1, to: JobState = JobState.FAILED) -> Ending:
    """Return a worker's word that an attempt did not succeed; each state has a code."""
    return Ending(job_id, to, Actor.RESULTS, attempt=attempt, code=ErrorCode.PROCESSING_FAILED)
