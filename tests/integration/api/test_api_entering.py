"""`api_enter` on a real server: whose key it is, and the same counting as the pure model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from threading import Barrier, Thread
from typing import TYPE_CHECKING

import psycopg
import pytest

from domain.accounts import service as accounts
from domain.accounts import store as credentials
from domain.accounts.model import Account, AccountKind, ApiKey, parse_api_key
from domain.admission import rate_store
from domain.admission.facts import Subject, SubjectKind
from domain.admission.rates import UNKNOWN_KEYS, Decision, Rate, rate_of, take
from domain.admission.restrictions import Step, restrict
from domain.pipeline.enter import Entered, PostgresLimiter, Unknown

if TYPE_CHECKING:
    from infra.stack.isolation import Database

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HERE = "192.0.2.0/24"
STANDARD = Rate(timedelta(milliseconds=20), 100)


class Entrance:
    """An account, its key, and the limiter that it comes to."""

    def __init__(self, conn: psycopg.Connection, url: str) -> None:
        self.conn = conn
        self.url = url
        self.account, self.key = self.add()

    def add(self) -> tuple[Account, ApiKey]:
        with self.conn.transaction():
            return accounts.create(
                self.conn, name="A", kind=AccountKind.COMPANY, unit="CNY", at=NOW
            )

    def enter(self, at: datetime = NOW, *, key: str = "", network: str = HERE) -> Entered | Unknown:
        return PostgresLimiter(self._statement).enter(key or str(self.key), network, at)

    def decision(self, at: datetime = NOW, *, network: str = HERE) -> Decision:
        entered = self.enter(at, network=network)
        assert isinstance(entered, Entered)
        assert entered.decision is not None
        return entered.decision

    def tried(self, key: str, *, network: str = HERE) -> Decision:
        unknown = self.enter(key=key, network=network)
        assert isinstance(unknown, Unknown)
        return unknown.decision

    def override(self, **quotas: int | None) -> None:
        for quota, value in quotas.items():
            self.conn.execute(
                "INSERT INTO quota_overrides (account_id, quota, value, starts_at, ends_at,"
                " reason, by, at) VALUES (%s, %s, %s, %s, %s, 'test', 'test', %s)",
                (self.account.id, quota, value, NOW, NOW + timedelta(hours=1), NOW),
            )

    def slow(self, kind: SubjectKind, subject: str) -> None:
        restrict(
            self.conn,
            Subject(kind, subject),
            Step.SLOW_DOWN,
            finding_id=None,
            reason="test",
            by="test",
            since=NOW,
            until=NOW + timedelta(hours=1),
        )

    def subjects(self) -> set[str]:
        return {row[0] for row in self.conn.execute("SELECT subject FROM api_rates")}

    @contextmanager
    def _statement(self) -> Iterator[psycopg.Connection]:
        yield self.conn


@pytest.fixture
def entrance(database: Database) -> Iterator[Entrance]:
    with psycopg.connect(database.app_url, autocommit=True) as conn:
        yield Entrance(conn, database.app_url)


def test_a_key_lets_its_account_in_at_its_plans_rate(entrance: Entrance) -> None:
    entered = entrance.enter()

    assert isinstance(entered, Entered)
    assert (entered.account_id, entered.key_id) == (entrance.account.id, entrance.key.id)
    assert entered.decision == take(STANDARD, None, NOW)[0]


@pytest.mark.parametrize("seed", range(3))
def test_it_counts_as_the_model_does(entrance: Entrance, seed: int) -> None:
    random = Random(seed)
    per_second, burst = random.choice([1, 3, 50]), random.choice([1, 4, 30])
    entrance.override(requests_per_second=per_second, request_burst=burst)
    rate = rate_of(per_second, burst)
    assert rate is not None
    at, tat = NOW, None
    refused = 0

    for _ in range(150):
        at += random.choice([timedelta(), rate.interval * random.random() * 2])
        expected, tat = take(rate, tat, at)
        assert entrance.decision(at) == expected
        refused += not expected.allowed

    assert refused > 0


def test_requests_at_once_pass_exactly_as_often_as_there_is_room(entrance: Entrance) -> None:
    entrance.override(requests_per_second=1, request_burst=7)
    barrier, passed = Barrier(4), []

    def come() -> None:
        with psycopg.connect(entrance.url, autocommit=True) as conn:

            @contextmanager
            def own() -> Iterator[psycopg.Connection]:
                yield conn

            limiter = PostgresLimiter(own)
            barrier.wait(10)
            for _ in range(5):
                entered = limiter.enter(str(entrance.key), HERE, NOW)
                assert isinstance(entered, Entered)
                assert entered.decision is not None
                passed.append(entered.decision.allowed)

    threads = [Thread(target=come) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(passed) == [False] * 13 + [True] * 7


def test_an_override_can_lift_the_limit_or_close_the_door(entrance: Entrance) -> None:
    entrance.override(requests_per_second=None)
    free = entrance.enter()
    assert isinstance(free, Entered)
    assert free.decision is None

    later = NOW + timedelta(hours=1)
    assert entrance.decision(later).limit == STANDARD.burst

    entrance.conn.execute("UPDATE quota_overrides SET value = 0")
    closed = entrance.decision()
    assert not closed.allowed
    assert closed.retry_after > timedelta()


def test_a_wrong_secret_spends_the_networks_tries_and_nothing_of_the_account(
    entrance: Entrance,
) -> None:
    wrong = str(ApiKey(entrance.key.id, "0" * 64))
    for key in (wrong, "nonsense", "pm_live_0000000000000000_" + "0" * 64):
        assert entrance.tried(key).allowed
    assert entrance.subjects() == {f"unknown {HERE}"}

    for _ in range(UNKNOWN_KEYS.burst - 3):
        assert entrance.tried(wrong).allowed
    refused = entrance.tried(wrong)
    assert not refused.allowed
    assert refused.retry_after == UNKNOWN_KEYS.interval
    assert entrance.tried(wrong, network="198.51.100.0/24").allowed
    assert entrance.decision().remaining == STANDARD.burst - 1


def test_a_revoked_key_is_nobodys(entrance: Entrance) -> None:
    credentials.revoke(entrance.conn, entrance.account.id, entrance.key.id, NOW)

    assert isinstance(entrance.enter(), Unknown)


def test_an_object_store_key_is_no_api_key(entrance: Entrance) -> None:
    credentials.insert_object_store_key(entrance.conn, entrance.account.id, "abc", NOW)
    key = "pm_live_abc_0"
    assert parse_api_key(key) is not None

    assert isinstance(entrance.enter(key=key), Unknown)


def test_who_is_slowed_down_has_a_tenth_until_it_ends(entrance: Entrance) -> None:
    entrance.slow(SubjectKind.ACCOUNT, entrance.account.id)

    assert entrance.decision() == take(STANDARD.slowed(), None, NOW)[0]
    assert entrance.decision(NOW + timedelta(hours=1)).limit == STANDARD.burst


@pytest.mark.parametrize("kind", [SubjectKind.KEY, SubjectKind.NETWORK])
def test_a_slow_key_or_network_slows_what_comes_by_it_alone(
    entrance: Entrance, kind: SubjectKind
) -> None:
    other, other_key = entrance.add()
    entrance.slow(kind, entrance.key.id if kind is SubjectKind.KEY else HERE)
    key_is_slow = kind is SubjectKind.KEY

    assert entrance.decision() == take(STANDARD.slowed(), None, NOW)[0]
    away = entrance.decision(network="198.51.100.0/24")
    assert away.limit == (STANDARD.slowed() if key_is_slow else STANDARD).burst
    neighbour = entrance.enter(key=str(other_key))
    assert isinstance(neighbour, Entered)
    assert neighbour.account_id == other.id
    assert neighbour.decision is not None
    assert neighbour.decision.limit == (STANDARD if key_is_slow else STANDARD.slowed()).burst


@pytest.mark.parametrize("kind", [SubjectKind.KEY, SubjectKind.NETWORK])
def test_a_slow_way_that_is_used_up_leaves_the_account_its_other_ways(
    entrance: Entrance, kind: SubjectKind
) -> None:
    other_key = accounts.add_api_key(entrance.conn, entrance.account.id, at=NOW)
    entrance.slow(kind, entrance.key.id if kind is SubjectKind.KEY else HERE)
    while entrance.decision().allowed:
        pass

    if kind is SubjectKind.KEY:
        another = entrance.enter(key=str(other_key))
    else:
        another = entrance.enter(network="198.51.100.0/24")

    assert isinstance(another, Entered)
    assert another.decision == take(STANDARD, None, NOW)[0]


def test_counts_that_say_nothing_are_forgotten(entrance: Entrance) -> None:
    entrance.enter()
    entrance.enter(NOW + timedelta(hours=2), network="198.51.100.0/24", key="nonsense")

    assert rate_store.forget(entrance.conn, NOW + timedelta(hours=1)) == 1
    assert entrance.subjects() == {"unknown 198.51.100.0/24"}
