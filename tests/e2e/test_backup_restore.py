"""A backup of a system at work, the loss of its database, and everything as it was again."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg
import pytest
from typer.testing import CliRunner

from cli import main
from domain.billing.model import Balance
from infra.backup import NotEmptyError
from infra.backup.offsets import Offsetter
from infra.kafka_lag import STREAMS
from infra.stack import running
from schemas import topics
from tests.e2e.customer import (
    assert_ledger_is_sound,
    customer_of,
    picture,
    wait_until,
)

if TYPE_CHECKING:
    from pathlib import Path

    from infra.stack import Running
    from tests.e2e.customer import Customer

PROCESSES: Final = ("api", "streams", "worker")
BODY: Final = picture()
FAST_PRICE: Final = 2000


@pytest.fixture(scope="module")
def own_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A system whose database may be lost."""
    with running(tmp_path_factory.mktemp("backup"), durable=False) as system:
        yield system


def picmend(system: Running, *words: str) -> tuple[int, str]:
    """Call the command on a system; return its exit code, and what it printed in all."""
    done = CliRunner().invoke(main.app, list(words), env=dict(system.environment))
    return done.exit_code, done.output


def upload(customer: Customer, name: str, count: int) -> list[str]:
    with ThreadPoolExecutor(16) as threads:
        return list(
            threads.map(
                lambda n: customer.upload("identity", f"{name}-{n}.png", BODY + b"%d" % n),
                range(count),
            )
        )


def ask(customer: Customer, key: str, *, wait_s: int = 30) -> dict[str, Any]:
    """Ask the API for a job, and wait for its end or not."""
    answer = httpx.post(
        f"{customer.system.api_url}/v1/jobs",
        headers={
            "Authorization": f"Bearer {customer.enrolled.api_key}",
            "Idempotency-Key": key,
            "Prefer": f"wait={wait_s}",
        },
        data={"preset": "identity"},
        files={"image": ("a.png", BODY + key.encode(), "image/png")},
        timeout=60,
    )
    assert answer.status_code == (200 if wait_s else 202), answer.text
    job: dict[str, Any] = answer.json()
    return job


def upload_and_cancel(customer: Customer, name: str) -> str:
    """Put an object whose job nobody takes, cancel that, and wait until it is settled."""
    key = customer.upload("identity", name, BODY)
    wait_until(lambda: key in customer.jobs(), within_s=20, what="its job")
    row = customer.conn.execute("SELECT id FROM jobs WHERE source_key = %s", (key,)).fetchone()
    assert row is not None
    released = customer.holds("released")
    code, told = picmend(customer.system, "jobs", "cancel", row[0])
    assert code == 0, told
    wait_until(lambda: customer.holds("released") == released + 1, within_s=20, what="it is free")
    return key


def lose_the_database(system: Running) -> None:
    """Drop the database and make an empty one of the same name."""
    settings = system.settings()
    assert settings.migrations_url is not None
    owner = urlsplit(settings.migrations_url.get_secret_value())
    elsewhere = urlunsplit(owner._replace(path="/postgres"))
    with psycopg.connect(elsewhere, autocommit=True) as conn:
        conn.execute("DROP DATABASE picmend WITH (FORCE)")
        conn.execute("CREATE DATABASE picmend")


def captures(customer: Customer) -> list[int]:
    """Return how often each job of the customer was charged."""
    rows = customer.conn.execute(
        "SELECT count(*) FROM ledger_transactions WHERE account_id = %s AND kind = 'capture'"
        " GROUP BY job_id",
        (customer.id,),
    ).fetchall()
    return [count for (count,) in rows]


def torn_picture() -> bytes:
    """Return a picture whose header is good, and whose pixels cannot be decoded."""
    middle = len(BODY) // 2
    return BODY[:middle] + bytes(64) + BODY[middle + 64 :]


def stop_all(system: Running) -> None:
    for name in PROCESSES:
        system.process(name).stop()


def start_all(system: Running) -> None:
    for name in PROCESSES:
        system.process(name).start()
    for name in PROCESSES:
        system.process(name).wait_ready()


def restore(system: Running, folder: Path, *more: str) -> dict[str, Any]:
    code, told = picmend(system, "recover", str(folder), "--json", *more)
    assert code == 0, told
    report: dict[str, Any] = json.loads(told.splitlines()[-1])
    assert (report["findings"], report["gaps"]) == ([], [])
    return report


def test_what_a_backup_and_the_topics_hold_comes_back_after_the_database_is_lost(
    own_system: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    system, folder = own_system, tmp_path / "copy"
    with customer_of(system) as customer:
        sources = upload(customer, "before", 30)
        early = ask(customer, "early")
        customer.wait_ended(sources)

        # In flight while the backup is made, and more behind it.
        sources += upload(customer, "during", 60)
        assert picmend(system, "backup", str(folder))[0] == 0
        sources += upload(customer, "after", 30)
        bad = customer.upload("identity", "bad.png", b"not a picture")
        torn = customer.upload("upscale-fast-x4", "torn.png", torn_picture())
        late = ask(customer, "late")
        customer.wait_ended([*sources, bad, torn])
        system.process("worker").stop()
        cancelled = upload_and_cancel(customer, "cancelled.png")
        sources.append(customer.upload("identity", "waiting.png", BODY))
        hanging = ask(customer, "hanging", wait_s=0)
        wait_until(lambda: customer.holds("open") == 2, within_s=20, what="two wait")
        balance, jobs, charged = customer.balance(), customer.jobs(), captures(customer)
        assert charged == [1] * 122
        assert jobs[torn][0] == "failed"

        stop_all(system)
        # Nobody is there to hear of this one.
        sources.append(customer.upload("identity", "nobody.png", BODY))
        customer.conn.close()
        lose_the_database(system)
        begun = time.monotonic()
        report = restore(system, folder)
        with capsys.disabled():
            print(f"\nrestore in {time.monotonic() - begun:.1f} s: {report['replayed']}")  # noqa: T201 - the figure

        # Money is as it was before any process runs, but for the hold of what is forgotten, and
        # of what had failed and is tried again.
        customer.reconnect()
        assert customer.balance() == Balance(
            balance.available + 1 - FAST_PRICE, 1 + FAST_PRICE, balance.unit
        )
        assert_ledger_is_sound(customer.conn)
        assert captures(customer) == charged
        replayed = report["replayed"]
        assert replayed["money_only"] == [late["id"]]
        assert replayed["forgotten"] == [hanging["id"]]
        assert (replayed["again"], replayed["ended"], replayed["refused"]) == (1, 1, [])
        assert report["objects"]["missing"] == report["objects"]["changed"] == 0

        start_all(system)
        customer.wait_ended([*sources, torn], within_s=120)
        # Asked again with the same key: the same job, charged once.
        for job, key in ((early, "early"), (late, "late"), (hanging, "hanging")):
            assert ask(customer, key)["id"] == job["id"]
        wait_until(lambda: customer.holds("open") == 0, within_s=30, what="no open hold")

        now = {key: value for key, value in customer.jobs().items() if key.startswith("in/")}
        assert now == {
            **dict.fromkeys(sources, ("succeeded", None)),
            bad: jobs[bad],
            torn: jobs[torn],
            cancelled: ("cancelled", "job_cancelled"),
        }
        assert captures(customer) == [1] * 125
        assert customer.balance() == Balance(10_000_000 - 125, 0, balance.unit)
        assert_ledger_is_sound(customer.conn)
        code, told = picmend(system, "check")
        assert code == 0, told


def test_an_account_and_a_top_up_that_came_after_the_backup_are_asked_for_before_the_replay(
    own_system: Running, tmp_path: Path
) -> None:
    system, folder = own_system, tmp_path / "copy"
    code, told = picmend(system, "backup", str(folder))
    assert code == 0, told
    with customer_of(system, balance=0) as customer:
        top_up = ("ledger", "top-up", customer.id, "1", "--key", "payment-7")
        assert picmend(system, *top_up)[0] == 0
        sources = upload(customer, "rich", 20)
        customer.wait_ended(sources)
        balance = customer.balance()

        stop_all(system)
        customer.conn.close()
        lose_the_database(system)
        code, told = picmend(system, "recover", str(folder))
        assert code == 1
        assert "account_unknown" in told
        assert "under its old id" in told
        make_again(system, customer)
        code, told = picmend(system, "recover", str(folder), "--continue")
        assert code == 1
        assert f"picmend ledger top-up {customer.id}" in told
        assert picmend(system, *top_up)[0] == 0
        report = restore(system, folder, "--continue")

        customer.reconnect()
        assert report["replayed"]["decided"] == 20
        assert customer.balance() == balance
        assert captures(customer) == [1] * 20
        start_all(system)
        customer.wait_ended(sources)
        assert customer.balance() == balance
        assert_ledger_is_sound(customer.conn)


def test_groups_are_set_back_only_while_nobody_reads_and_say_what_they_can_no_longer_read(
    own_system: Running,
) -> None:
    bootstrap = own_system.settings().kafka_bootstrap
    with closing(Offsetter(bootstrap)) as offsets:
        with customer_of(own_system) as customer:
            customer.wait_ended([customer.upload("identity", "one.png", BODY)])
        wait_until(
            lambda: topics.USAGE in offsets.committed()[STREAMS.name], within_s=20, what="a commit"
        )
        before, ends = offsets.committed(), offsets.ends()
        with pytest.raises(NotEmptyError, match="stop every streams and worker"):
            offsets.require_idle()
        with pytest.raises(NotEmptyError, match="cannot be set"):
            offsets.set_back(before, ends)
        stop_all(own_system)
        offsets.require_idle()
        before = offsets.committed()
        at = min(before[STREAMS.name][topics.USAGE])
        later = {STREAMS.name: {topics.USAGE: {at: 10**9}}}
        (gap,) = offsets.set_back(later, ends)
        assert (gap.topic, gap.partition, gap.foreign, gap.found) == (topics.USAGE, at, True, 0)
        assert offsets.set_back(before, ends) == []
        now = offsets.committed()
        assert all(
            now[group][topic][number] == offset
            for group, by_topic in before.items()
            for topic, by_partition in by_topic.items()
            for number, offset in by_partition.items()
        )
    start_all(own_system)


def make_again(system: Running, customer: Customer) -> None:
    """Make an account again under its old id, as the guide says."""
    with psycopg.connect(system.settings().database_url.get_secret_value()) as conn:
        conn.execute(
            "INSERT INTO accounts (id, name, kind, unit, created_at)"
            " VALUES (%s, 'made again', 'company', 'CNY', now())",
            (customer.id,),
        )
        conn.execute("SELECT billing_open_accounts(%s, 'CNY')", (customer.id,))
