"""What the API tells of its requests, for the rules against misuse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from api.background import ApiFacts
from domain.admission.api_facts import Answer, Seen
from infra.postgres import open_pool
from infra.settings import Settings
from tests.integration.api.api_limits import ADDRESSES, WRONG_KEY, override
from tests.integration.api.api_world import CLOCK, Client, World, serving, until

if TYPE_CHECKING:
    from infra.stack.isolation import Database

NAMES = ("requests", "reads", "limited", "over_limit", "invalid_keys", "jobs", "broken")
NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def facts(conn: psycopg.Connection, kind: str, subject: str) -> dict[str, int]:
    """The sums of what the API told of a subject; what is 0 is left out."""
    row = conn.execute(
        "SELECT sum(requests), sum(reads), sum(limited), sum(over_limit), sum(invalid_keys),"
        " sum(jobs), sum(broken)"
        " FROM facts WHERE source = 'api' AND kind = %s AND subject = %s",
        (kind, subject),
    ).fetchone()
    assert row is not None
    return {name: int(n) for name, n in zip(NAMES, row, strict=True) if n}


def test_requests_are_counted_for_account_key_and_network(world: World, client: Client) -> None:
    address = next(ADDRESSES)
    network = address.removesuffix(".7") + ".0/24"
    client.http.headers["X-Forwarded-For"] = address
    override(world, client, jobs_per_day=1)
    before = CLOCK.now()

    job = client.post_job().json()["id"]
    assert client.post_job().status_code == 429
    for path in ("/v1/jobs", f"/v1/jobs/{job}", "/v1/jobs/summary", "/v1/usage"):
        client.http.get(path).raise_for_status()
    client.http.post(f"/v1/jobs/{job}/cancel").raise_for_status()
    client.http.get(f"/v1/jobs/{job}").raise_for_status()
    client.http.get("/v1/balance").raise_for_status()
    override(world, client, requests_per_second=0)
    assert client.http.get("/v1/jobs").status_code == 429
    world.http(WRONG_KEY, **{"X-Forwarded-For": address}).get("/v1/jobs")
    world.http(**{"X-Forwarded-For": address}).get("/v1/jobs")

    # While the job waits, looking at it is no reading.
    own = {"requests": 10, "reads": 4, "limited": 1, "over_limit": 1}
    key_id = str(client.http.headers["authorization"]).split("_")[2]
    with world.connect() as conn:
        conn.autocommit = True
        until(lambda: facts(conn, "network", network).get("requests", 0) >= 12)
        assert facts(conn, "account", client.id) == own
        assert facts(conn, "key", key_id) == own
        assert facts(conn, "network", network) == own | {
            "requests": 12,
            "reads": 5,
            "invalid_keys": 1,
        }
        touched = conn.execute(
            "SELECT count(*) FROM facts_touched WHERE kind = 'key' AND subject = %s", (key_id,)
        ).fetchone()
        seen = conn.execute(
            "SELECT account_id, network, country, requests, first_at, last_at FROM sightings"
            " WHERE key_id = %s",
            (key_id,),
        ).fetchall()
    assert touched is not None
    assert touched[0] > 0
    assert len(seen) in (1, 2), "an hour may have ended meanwhile"
    assert {row[:3] for row in seen} == {(client.id, network, "")}
    assert sum(row[3] for row in seen) == 10
    assert before <= min(row[4] for row in seen) < max(row[5] for row in seen) <= CLOCK.now()


def test_a_file_that_is_refused_counts_as_a_broken_one(world: World, client: Client) -> None:
    for image in (b"no picture", b"\0\0\1\0" + bytes(100)):
        assert client.post_job(image).status_code in (415, 422)

    with world.connect() as conn:
        conn.autocommit = True
        until(lambda: facts(conn, "account", client.id).get("requests", 0) == 2)
        assert facts(conn, "account", client.id) == {"requests": 2, "jobs": 2, "broken": 2}


def test_what_was_counted_is_written_down_when_the_process_ends(
    settings: Settings, tmp_path: Path
) -> None:
    countries = tmp_path / "countries.csv"
    countries.write_text("127.0.0.0/8,NL\n", encoding="utf-8")
    with serving(settings.model_copy(update={"country_database": countries})) as served:
        own = World(settings, None, served)  # type: ignore[arg-type] # it needs no bucket
        client = own.client()
        client.http.get("/v1/balance").raise_for_status()
        own.close()

    with own.connect() as conn:
        assert facts(conn, "account", client.id) == {"requests": 1}
        seen = conn.execute("SELECT network, country FROM sightings").fetchall()
    assert seen == [("127.0.0.0/24", "NL")]


@pytest.fixture
def database_that_goes_away(database: Database) -> Iterator[tuple[ApiFacts, list[bool]]]:
    """Facts on a database that is away while a list is not empty."""
    away: list[bool] = []
    pool = open_pool(database.app_url, size=2, name="test")

    @contextmanager
    def transaction() -> Iterator[psycopg.Connection]:
        with pool.connection() as conn:
            if away:
                conn.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            yield conn

    yield ApiFacts(transaction), away
    pool.close()


def test_a_database_that_is_away_only_delays_facts(
    database: Database, database_that_goes_away: tuple[ApiFacts, list[bool]]
) -> None:
    told, away = database_that_goes_away
    seen = Seen(NOW, Answer.READ, "192.0.2.0/24", "NL", "acc_1", "k1")
    away.append(True)
    for _ in range(3):
        told.count(seen)
        with pytest.raises(psycopg.OperationalError):
            told.step()
    away.clear()
    told.step()
    told.step()

    with psycopg.connect(database.app_url) as conn:
        for kind, subject in (("account", "acc_1"), ("key", "k1"), ("network", "192.0.2.0/24")):
            assert facts(conn, kind, subject) == {"requests": 3, "reads": 3}
