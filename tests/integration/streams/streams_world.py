"""Accounts, requests and jobs for tests of the streams, and a clock that is turned by hand."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from PIL import Image

from domain.accounts import service as accounts
from domain.accounts.model import AccountKind
from domain.billing import service as billing
from domain.jobs import store as jobs
from domain.jobs.model import Job
from domain.jobs.turns import EVEN
from domain.pipeline.claim import claim_batch, renew_leases
from domain.pipeline.decide import decide_batch
from domain.pipeline.dispatch import dispatch
from domain.pipeline.enrol import enrol
from infra.kafka import Message
from infra.postgres import Pool
from schemas import events, ids, keys, topics
from schemas.events import HeaderFacts, JobRequested
from schemas.ids import AccountId, JobId
from schemas.operations import ImageFormat, OperationName
from schemas.states import JobState
from streams.admission import candidate_of

if TYPE_CHECKING:
    from infra.stack.isolation import Database

LEASE = timedelta(seconds=15)
LIFETIME = timedelta(days=7)


@dataclass
class TurnedClock:
    """Stands still until it is turned."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    def sleep(self, seconds: float) -> None:
        self.turn(seconds=seconds)

    def turn(self, **by: float) -> None:
        self.at += timedelta(**by)


@dataclass
class World:
    """One database, and short ways to bring jobs to where a test begins."""

    database: Database
    pool: Pool
    clock: TurnedClock

    def account(self, balance: int = 1_000_000) -> AccountId:
        with self.pool.connection() as conn:
            made = enrol(
                conn, name="A client", kind=AccountKind.COMPANY, unit="CNY", clock=self.clock
            )
            billing.top_up(conn, made.account.id, balance, key="first", at=self.clock.now())
        return made.account.id

    def suspend(self, account_id: AccountId) -> None:
        with self.pool.connection() as conn:
            accounts.suspend(conn, account_id, reason="test", by="test", at=self.clock.now())

    def resume(self, account_id: AccountId) -> None:
        with self.pool.connection() as conn:
            accounts.resume(conn, account_id, by="test", at=self.clock.now())

    def queue(self, account_id: AccountId, count: int) -> list[JobId]:
        """Admit so many `identity` jobs of an account; return their ids, the oldest first."""
        requests = [self.request(account_id, f"photo-{number}") for number in range(count)]
        with self.pool.connection() as conn:
            decide_batch(
                conn, [candidate_of(r) for r in requests], clock=self.clock, lifetime=LIFETIME
            )
        assert self.states([r.job_id for r in requests]) == [JobState.QUEUED] * count
        return [request.job_id for request in requests]

    def dispatch(self, cap: int = 1000) -> None:
        with self.pool.connection() as conn:
            dispatch(conn, OperationName.IDENTITY, cap=cap, turns=EVEN, clock=self.clock)

    def claim(self, *job_ids: JobId) -> None:
        attempts = [(job.id, job.attempt) for job in map(self.job, job_ids)]
        with self.pool.connection() as conn:
            claimed = claim_batch(conn, attempts, worker="test", lease=LEASE, clock=self.clock)
        assert len(claimed) == len(job_ids)

    def renew(self, job_id: JobId) -> None:
        attempts = [(job_id, self.job(job_id).attempt)]
        with self.pool.connection() as conn:
            assert renew_leases(conn, attempts, lease=LEASE, clock=self.clock) == {job_id: False}

    def run(self, account_id: AccountId) -> JobId:
        """Bring one new job to `running`."""
        (job_id,) = self.queue(account_id, 1)
        self.dispatch()
        self.claim(job_id)
        return job_id

    def job(self, job_id: JobId) -> Job:
        with self.pool.connection() as conn:
            found = jobs.get(conn, job_id)
        assert found is not None
        return found

    def states(self, job_ids: Sequence[JobId]) -> list[JobState]:
        return [self.job(job_id).state for job_id in job_ids]

    def outbox(self, topic: str) -> list[bytes]:
        """Return the bodies that wait to be sent to a topic, in order."""
        with self.pool.connection() as conn:
            rows = conn.execute(
                "SELECT body FROM outbox WHERE topic = %s ORDER BY id", (topic,)
            ).fetchall()
        return [bytes(row[0]) for row in rows]

    def count(self, table: str) -> int:
        with self.pool.connection() as conn:
            row = conn.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - our names
        assert row is not None
        return int(row[0])

    def request(self, account_id: AccountId, path: str) -> JobRequested:
        return job_request(account_id, path, at=self.clock.now())

    def message(self, request: JobRequested, offset: int = 0) -> Message:
        event = events.job_requested(request, at=self.clock.now())
        key = event.partitionkey.encode()
        return Message(topics.JOB_REQUESTS, key, event.encode(), partition=2, offset=offset)


def job_request(account_id: AccountId, path: str, *, at: datetime) -> JobRequested:
    """Return what intake asks for an `identity` upload that is not in any store."""
    key = keys.input_key(account_id, "identity", path)
    return JobRequested(
        job_id=ids.object_job_id("uploads", key, "e1"),
        account_id=account_id,
        preset="identity",
        bucket="uploads",
        key=key,
        etag="e1",
        size=1000,
        header=HeaderFacts(format=ImageFormat.PNG, width=64, height=48),
        found_by="event",
        uploaded_at=at,
    )


def png(width: int = 8, height: int = 6, *, mode: str = "RGB", colour: int = 0) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (width, height), colour).save(file, "PNG")
    return file.getvalue()


def until(holds: Callable[[], object], timeout_s: float = 20.0) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "the condition did not come to hold"
        threading.Event().wait(0.01)
