"""A long line of one account holds up nobody else; equal accounts get equal shares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from domain.jobs import workers
from domain.jobs.model import Ending, Header, StoredObject
from domain.pipeline.decide import Admitted, decide_batch
from domain.pipeline.end import end_batch
from domain.pipeline.resolve import Candidate
from schemas.errors import ErrorCode
from schemas.ids import JobId, object_job_id
from schemas.operations import ImageFormat, OperationName
from schemas.states import Actor, JobState, Origin
from tests.e2e.customer import CLOCK, Customer, customer_of, picture, wait_until

if TYPE_CHECKING:
    from datetime import datetime

    from infra.stack import Running

pytestmark = pytest.mark.timed

LINE = 20_000
"""What a standard account may have waiting."""

HEAD = 1000
"""So many of the line can be run; who stands behind them never gets to the workers here."""

EQUALS = 50
EACH = 20


def candidates(customer: Customer, count: int) -> list[Candidate]:
    """Return so many `identity` jobs of one picture, beside the one that its upload becomes."""
    body = picture(16, 12)
    key = customer.upload("identity", "one.png", body)
    etag = customer.store.put(key, body, "image/png")
    return [
        Candidate(
            job_id=object_job_id(customer.store.bucket, f"{key}.{number}", etag),
            account_id=customer.id,
            origin=Origin.OBJECT,
            preset="identity",
            parameters=None,
            bucket=customer.store.bucket,
            source=StoredObject(key, etag),
            source_bytes=len(body),
            mask=None,
            facts=Header(ImageFormat.PNG, 16, 12, has_alpha=False),
            requested_at=CLOCK.now(),
        )
        for number in range(count)
    ]


def queue(customer: Customer, wanted: Sequence[Candidate]) -> list[JobId]:
    """Put jobs in line, all at once."""
    with customer.conn.transaction():
        decided = decide_batch(customer.conn, wanted, clock=CLOCK, lifetime=timedelta(days=1))
    assert all(isinstance(each, Admitted) for each in decided.values()), decided
    return [candidate.job_id for candidate in wanted]


@contextmanager
def more_behind(customer: Customer, count: int) -> Iterator[None]:
    """Lengthen a line by copies of its last job, which nobody paid for; take the line away."""
    settings = customer.settings
    assert settings.migrations_url is not None
    with psycopg.connect(settings.migrations_url.get_secret_value(), autocommit=True) as owner:
        owner.execute(
            "INSERT INTO jobs OVERRIDING USER VALUE SELECT copy.* FROM"
            " (SELECT * FROM jobs WHERE account_id = %s AND state = 'queued'"
            "  ORDER BY seq DESC LIMIT 1) j, generate_series(1, %s) n,"
            " jsonb_populate_record(NULL::jobs, to_jsonb(j) || jsonb_build_object("
            "  'id', 'job_' || translate(md5(n::text), '0189', 'ghij'),"
            "  'source_etag', 'a copy')) copy",
            (customer.id, count),
        )
        try:
            yield
        finally:
            owner.execute("DELETE FROM jobs WHERE source_etag = 'a copy'")
            rest = owner.execute(
                "SELECT id FROM jobs WHERE account_id = %s AND state = 'queued'", (customer.id,)
            ).fetchall()
            with customer.conn.transaction():
                end_batch(customer.conn, [cancelled(JobId(job)) for (job,) in rest], clock=CLOCK)


def cancelled(job_id: JobId) -> Ending:
    return Ending(job_id, JobState.CANCELLED, Actor.OPERATOR, code=ErrorCode.JOB_CANCELLED)


def times(
    conn: psycopg.Connection, job_ids: Sequence[JobId]
) -> list[tuple[datetime, datetime | None, datetime | None, datetime | None]]:
    """Return when each of the jobs was admitted, dispatched, started and ended."""
    return conn.execute(
        "SELECT admitted_at, dispatched_at, started_at, ended_at FROM jobs WHERE id = ANY(%s)",
        (list(job_ids),),
    ).fetchall()


def ended(conn: psycopg.Connection, job_ids: Sequence[JobId]) -> list[datetime | None]:
    return [ended_at for *_, ended_at in times(conn, job_ids)]


def waiting(customer: Customer) -> int:
    row = customer.conn.execute(
        "SELECT count(*) FROM jobs WHERE account_id = %s AND state = 'queued'", (customer.id,)
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_a_job_behind_20_000_of_another_account_starts_when_those_in_flight_are_done(
    system: Running,
) -> None:
    with customer_of(system) as many, customer_of(system) as one:
        (asked_for,) = candidates(one, 1)
        head = queue(many, candidates(many, HEAD))
        live = workers.live_slots(many.conn, CLOCK.now())
        assert live[OperationName.IDENTITY] >= system.settings().identity_slots
        with more_behind(many, LINE):
            wait_until(lambda: any(ended(many.conn, head)), within_s=60, what="the line moves")

            (job,) = queue(one, [asked_for])
            wait_until(lambda: all(ended(one.conn, [job])), within_s=60, what="the one job ran")

            assert waiting(many) > LINE
            ((asked, _, started, _),) = times(one.conn, [job])
            in_flight = [
                done or CLOCK.now()
                for _, dispatched, _, done in times(many.conn, head)
                if dispatched is not None and dispatched <= asked and (not done or done > asked)
            ]
        assert started is not None
        assert started <= max(in_flight, default=asked) + timedelta(seconds=1)
        wait_until(lambda: many.holds("open") == 0, within_s=60, what="the line is gone")


def test_equal_accounts_with_full_lines_are_through_at_the_same_time(system: Running) -> None:
    with ExitStack() as customers:
        equals = [customers.enter_context(customer_of(system)) for _ in range(EQUALS)]
        lines = [candidates(customer, EACH) for customer in equals]
        conn = equals[0].conn
        jobs = queue(equals[0], [each for in_turn in zip(*lines, strict=True) for each in in_turn])
        wait_until(lambda: all(ended(conn, jobs)), within_s=120, what=f"{len(jobs)} jobs ended")

        begun = min(started for _, _, started, _ in times(conn, jobs) if started)
        took = [
            max(at for at in ended(conn, [each.job_id for each in line]) if at) - begun
            for line in lines
        ]
        assert min(took) >= 0.9 * max(took)
