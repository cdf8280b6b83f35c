"""Limits are exact: never one more, never one less, whatever happens to those who count."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString

import psycopg

from domain.accounts.model import AccountKind
from domain.admission import overrides, quota_store
from domain.admission.limits import Limit
from domain.admission.windows import zone
from domain.billing import service as billing
from domain.pipeline.cancel import cancel
from domain.pipeline.enrol import enrol
from infra.clock import SystemClock
from infra.stack import running
from schemas import topics
from schemas.decisions import LimitReached, Quota
from schemas.events import HeaderFacts, JobRequested, job_requested
from schemas.ids import AccountId, object_job_id
from schemas.operations import ImageFormat, OperationName
from schemas.states import Actor
from tests.e2e.beside import some_more
from tests.e2e.customer import assert_ledger_is_sound, wait_until

if TYPE_CHECKING:
    from infra.kafka import KafkaPythonProducer
    from infra.stack import Running

CLOCK = SystemClock()
ACCOUNTS = 50
UPLOADS = 140
REQUESTS = 10_000
WHOLE = 2_000_000
"""A picture of this many pixels takes two megapixels."""

ZONES = ("Asia/Shanghai", "UTC", "America/Sao_Paulo", "Pacific/Kiritimati", "America/Los_Angeles")


@dataclass(frozen=True)
class Client:
    """An account, one limit that it comes to, and the local days that it uploads on."""

    id: AccountId
    time_zone: str
    limit: Limit
    days: tuple[date, ...]

    @property
    def allowance(self) -> int:
        """How many of its uploads are to become jobs; it has more than that on each day."""
        assert self.limit.value is not None
        match self.limit.quota:
            case Quota.JOBS_PER_DAY:
                return self.limit.value * len(self.days)
            case Quota.MEGAPIXELS_PER_DAY:
                return self.limit.value // 2 * len(self.days)
            case _:
                return self.limit.value

    def uploads(self, first: int, count: int) -> Iterator[JobRequested]:
        for number in range(first, first + count):
            day = self.days[number % len(self.days)]
            at = datetime.combine(day, time(12), zone(self.time_zone)) + timedelta(seconds=number)
            key = f"in/{self.id}/identity/{number}.png"
            yield JobRequested(
                job_id=object_job_id("uploads", key, "0e"),
                account_id=self.id,
                preset="identity",
                bucket="uploads",
                key=key,
                etag="0e",
                size=1000,
                header=HeaderFacts(format=ImageFormat.PNG, width=WHOLE // 1000, height=1000),
                found_by="event",
                uploaded_at=at.astimezone(UTC),
            )


def days_of_one_month() -> tuple[date, ...]:
    """Return three days in a row, of one month and a little while ago."""
    last = (CLOCK.now() - timedelta(days=2)).date()
    first_of_month = last.replace(day=1)
    if (last - first_of_month).days < 2:
        last = first_of_month - timedelta(days=1)
    return tuple(last - timedelta(days=back) for back in range(3))


def enrol_clients(conn: psycopg.Connection) -> list[Client]:
    """Enrol accounts whose limits are of five kinds, and all differ from one to the next."""
    days = days_of_one_month()
    clients = []
    for n in range(ACCOUNTS):
        time_zone = ZONES[n % len(ZONES)]
        limit, on = (
            (Limit(Quota.JOBS_PER_DAY, None, 40 + n), days[:1]),
            (Limit(Quota.JOBS_PER_MONTH, None, 50 + n), days),
            (Limit(Quota.JOBS_PER_DAY, None, 5 + n), days[:2]),
            (Limit(Quota.JOBS_PER_DAY, OperationName.IDENTITY, 45 + n), days[:1]),
            (Limit(Quota.MEGAPIXELS_PER_DAY, None, 61 + n), days[:2]),
        )[n % 5]
        made = enrol(
            conn,
            name=f"{n}",
            kind=AccountKind.COMPANY,
            unit="CNY",
            clock=CLOCK,
            time_zone=time_zone,
        )
        billing.top_up(conn, made.account.id, 10**6, key="first", at=CLOCK.now())
        now = CLOCK.now()
        overrides.add(
            conn,
            made.account.id,
            limit,
            starts_at=now,
            ends_at=None,
            reason="what this test is about",
            by="test",
            at=now,
        )
        clients.append(Client(made.account.id, time_zone, limit, on))
    return clients


@dataclass
class Counters:
    """A system whose streams processes decide, and none of whose jobs is worked on."""

    system: Running
    conn: psycopg.Connection
    producer: KafkaPythonProducer

    def send(self, requests: Sequence[JobRequested]) -> None:
        """Put requests where any process may get them, several of one account at once."""
        from infra.kafka import Message  # noqa: PLC0415 - imports Kafka's client, which warns

        self.producer.send_all(
            [
                Message(
                    topic=topics.JOB_REQUESTS,
                    # Not its account, as those have it who ask for jobs: so one account's
                    # requests are with all the processes, and meet in the database.
                    key=each.job_id[-3:].encode(),
                    value=job_requested(each, at=CLOCK.now()).encode(),
                )
                for each in requests
            ]
        )

    def decided(self) -> int:
        return self.count("SELECT count(*) FROM jobs")

    def count(self, query: LiteralString) -> int:
        row = self.conn.execute(query).fetchone()
        assert row is not None
        return int(row[0])

    def per_account(self, query: LiteralString) -> dict[str, int]:
        rows = self.conn.execute(query).fetchall()
        return {account: int(count) for account, count in rows}


@contextmanager
def counters(place: Path) -> Iterator[Counters]:
    from infra.kafka import KafkaPythonProducer  # noqa: PLC0415 - as above

    with running(place, processes=("streams",), durable=False) as system:
        settings = system.settings()
        url = settings.database_url.get_secret_value()
        producer = KafkaPythonProducer(settings.kafka_bootstrap, client_id="test")
        try:
            with psycopg.connect(url, autocommit=True) as conn:
                yield Counters(system, conn, producer)
        finally:
            producer.close()


QUEUED = (
    "SELECT account_id, count(DISTINCT job_id) FROM transitions t JOIN jobs j ON j.id = t.job_id"
    " WHERE t.state = 'queued' GROUP BY account_id"
)


def test_each_account_ends_at_exactly_its_limit(tmp_path: Path) -> None:
    chance = random.Random(5)
    with (
        counters(tmp_path / "system") as counting,
        some_more(counting.system, "streams", [tmp_path / "2nd", tmp_path / "3rd"]) as (_, leaving),
    ):
        with counting.conn.transaction():
            clients = enrol_clients(counting.conn)
        uploads = [each for client in clients for each in client.uploads(0, UPLOADS)]
        requests = uploads + chance.sample(uploads, REQUESTS - len(uploads))
        chance.shuffle(requests)
        for start in range(0, REQUESTS, 500):
            counting.send(requests[start : start + 500])

        wait_until(lambda: counting.decided() >= 1000, within_s=60, what="1,000 are decided")
        counting.system.process("streams").kill()
        wait_until(lambda: counting.decided() >= 3000, within_s=60, what="3,000 are decided")
        leaving.send_signal(signal.SIGTERM)
        wait_until(lambda: counting.decided() == len(uploads), within_s=120, what="all are decided")

        assert counting.per_account(QUEUED) == {each.id: each.allowance for each in clients}
        for client in clients:
            assert_counted(counting, client)
        assert_what_is_given_back_is_used_once(counting, clients[0])
        assert_ledger_is_sound(counting.conn)


def assert_counted(counting: Counters, client: Client) -> None:
    """Assert that what was counted is what was admitted, and that the others know why not."""
    months = quota_store.months_of(counting.conn, client.id)
    used = [month.used(None) for month in months.values()]
    assert sum(each.jobs for each in used) == client.allowance
    assert sum(each.megapixels for each in used) == client.allowance * 2
    refused = counting.conn.execute(
        "SELECT code, limit_reached FROM jobs WHERE account_id = %s AND state = 'rejected'",
        (client.id,),
    ).fetchall()
    assert len(refused) == UPLOADS - client.allowance
    for code, told in refused:
        assert code == "quota_exceeded"
        reached = LimitReached.model_validate(told)
        assert (reached.quota, reached.operation) == (client.limit.quota, client.limit.operation)
        assert reached.limit == client.limit.value
        assert reached.used <= reached.limit < reached.used + reached.asked


def assert_what_is_given_back_is_used_once(counting: Counters, client: Client) -> None:
    """Cancel some jobs that wait, each twice: as many new uploads get their shares."""
    rows = counting.conn.execute(
        "SELECT id FROM jobs WHERE account_id = %s AND state <> 'rejected' LIMIT 7", (client.id,)
    ).fetchall()
    for (job_id,) in rows * 2:
        with counting.conn.transaction():
            cancel(counting.conn, job_id, by=Actor.OPERATOR, clock=CLOCK)
    before = counting.decided()
    counting.send(list(client.uploads(UPLOADS, 20)))
    wait_until(lambda: counting.decided() == before + 20, within_s=30, what="20 more decided")
    assert counting.per_account(QUEUED)[client.id] == client.allowance + 7
    assert (
        quota_store.months_of(counting.conn, client.id)[client.days[0].replace(day=1)]
        .used(None)
        .jobs
        == client.allowance
    )
