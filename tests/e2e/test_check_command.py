"""`picmend check` on a system that works: no false alarm, and each thing broken by its name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest
from typer.testing import CliRunner

from cli.inspection import usage
from cli.main import app
from infra.clock import SystemClock
from infra.dead_letters import DeadLetters, DeadReason
from infra.kafka import KafkaPythonProducer, Message
from infra.stack import Running, running
from infra.topic_reader import TopicReader
from schemas import keys, topics
from tests.e2e.customer import Customer, customer_of, picture, wait_until

if TYPE_CHECKING:
    from schemas.ids import JobId

Finding = tuple[str, str]

FORGED_HOLD = """
INSERT INTO holds
SELECT %(new)s, account_id, unit, 0, NULL, state, NULL, admitted_at, closed_at
FROM holds WHERE job_id = %(old)s
"""
FORGED_USAGE = """
INSERT INTO usage_events
SELECT (told).* FROM (
    SELECT jsonb_populate_record(u, jsonb_build_object(
        'job_id', %(new)s::text, 'id', %(new)s || '.usage', 'ended_at', now() + interval '2 hours'
    )) AS told
    FROM usage_events u WHERE job_id = %(old)s
) forged
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A system of these tests' own: others leave dead letters behind."""
    with running(tmp_path_factory.mktemp("check"), durable=False) as everything:
        yield everything


@pytest.fixture
def customer(own: Running) -> Iterator[Customer]:
    with customer_of(own) as customer:
        yield customer


@pytest.fixture
def producer(own: Running) -> Iterator[KafkaPythonProducer]:
    producer = KafkaPythonProducer(own.settings().kafka_bootstrap, client_id="test")
    yield producer
    producer.close()


def findings(own: Running, *options: str) -> list[Finding]:
    """Run the command; its exit code must go with what it finds."""
    environment = {**own.environment, "COLUMNS": "200"}
    asked = ["check", "--json", "--settle-s", "1", *options]
    checked = CliRunner().invoke(app, asked, env=environment)
    found = json.loads(checked.stdout)["findings"]
    assert checked.exit_code == (1 if found else 0), checked.output
    assert all(each["detail"] and each["remedy"] for each in found)
    return [(each["code"], each["subject"]) for each in found]


def settled(customer: Customer, *sources: str) -> dict[str, JobId]:
    """Wait until these ended, all is charged, and refusals are told in the store."""
    customer.wait_ended(sources)
    rows = customer.conn.execute(
        "SELECT source_key, id, state FROM jobs WHERE account_id = %s", (customer.id,)
    ).fetchall()
    refused = {keys.problem_key(key, id_) for key, id_, state in rows if state != "succeeded"}
    wait_until(lambda: refused <= set(customer.outputs()), within_s=30, what="problem files")
    return {key: id_ for key, id_, _ in rows}


def test_nothing_is_found_while_uploads_flow_nor_after(own: Running, customer: Customer) -> None:
    sources = [customer.upload("identity", f"{n}.png", picture(seed=n)) for n in range(60)] + [
        customer.upload("identity", "broken.png", b"no picture")
    ]

    while_they_flow = findings(own, "--topics", "--deep", "--upload-s", "10")
    settled(customer, *sources)
    after = findings(own, "--topics", "--deep", "--upload-s", "10")

    assert (while_they_flow, after) == ([], [])


def test_results_and_problem_files_that_are_gone_or_others_are_found(
    own: Running, customer: Customer
) -> None:
    gone, other = (
        customer.upload("identity", f"{name}.png", picture()) for name in ("gone", "other")
    )
    broken = customer.upload("identity", "broken.png", b"no picture")
    jobs = settled(customer, gone, other, broken)
    customer.conn.execute(
        "UPDATE jobs SET ended_at = ended_at - interval '2 min' WHERE account_id = %s",
        (customer.id,),
    )
    by_source = {keys.parse_output_key(key).source_key: key for key in customer.outputs()}  # type: ignore[union-attr]
    customer.store.delete(by_source[gone])
    customer.store.put(by_source[other], b"another", "image/png")
    customer.store.delete(by_source[broken])

    assert sorted(findings(own, "--deep")) == [
        ("problem_missing", jobs[broken]),
        ("result_changed", jobs[other]),
        ("result_missing", jobs[gone]),
    ]
    assert findings(own, "--sample", "0") == []
    # So that later tests begin well: what has not ended yet has no files to be asked for.
    customer.conn.execute(
        "UPDATE jobs SET ended_at = now() + interval '1 day' WHERE account_id = %s",
        (customer.id,),
    )


def test_open_dead_letters_are_found_until_they_are_done_with(
    own: Running, producer: KafkaPythonProducer
) -> None:
    letters = DeadLetters(producer, SystemClock())
    message = Message(topics.ABUSE_FINDINGS, b"k", b"v", partition=0, offset=0)
    letters.put(message, reason=DeadReason.REFUSED, error="no", attempt=1, schema="urn:x")

    assert findings(own) == [("dead_letters_open", topics.ABUSE_FINDINGS)]
    drop = ["dlq", "drop", topics.ABUSE_FINDINGS, "--all", "--yes"]
    assert CliRunner().invoke(app, drop, env=dict(own.environment)).exit_code == 0
    assert findings(own) == []


@contextmanager
def without_streams(own: Running) -> Iterator[None]:
    streams = own.process("streams")
    streams.stop()
    try:
        yield
    finally:
        streams.start()
        streams.wait_ready()


def test_tasks_that_nobody_does_consumers_that_stand_still_and_lost_uploads_are_found(
    own: Running, customer: Customer
) -> None:
    with without_streams(own):
        key = customer.upload("identity", "a.png", picture())
        names = ["dispatcher", "judge", "reconciler", "relay", "sweeper"]
        expected: Sequence[Finding] = [
            ("consumer_stands_still", topics.OBJECT_EVENTS),
            *(("task_not_done", name) for name in names),
            ("upload_without_job", key),
        ]
        # The file must be a second old: the store tells whole seconds.
        wait_until(
            lambda: sorted(findings(own, "--upload-s", "0.1")) == expected,
            within_s=20,
            what=f"{expected}, and not {findings(own, '--upload-s', '0.1')}",
        )
    settled(customer, key)
    assert findings(own) == []


def test_usage_that_only_the_topic_or_only_the_ledger_has_is_found(
    own: Running, customer: Customer
) -> None:
    key = customer.upload("identity", "a.png", picture())
    job_id = settled(customer, key)[key]
    forged = job_id[:-4] + "aaaa"
    reader = TopicReader(own.settings().kafka_bootstrap, client_id="test")
    try:
        with psycopg.connect(own.environment["PICMEND_MIGRATIONS_URL"]) as owner:
            for table in ("holds", "usage_events"):
                owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            owner.execute(FORGED_HOLD, {"new": forged, "old": job_id})
            owner.execute(FORGED_USAGE, {"new": forged, "old": job_id})
            owner.execute("DELETE FROM usage_events WHERE job_id = %s", (job_id,))
            found = usage.disagreements(
                reader, owner, before=SystemClock().now(), on_read=lambda _read, _total: None
            )
            assert sorted((each.code, each.subject) for each in found) == [
                ("usage_not_recorded", job_id),
                ("usage_not_told", forged),
            ]
            owner.rollback()
    finally:
        reader.close()


def test_a_stack_that_is_not_there_is_told_with_exit_code_3(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    nowhere = str(tmp_path_factory.mktemp("nowhere"))
    assert CliRunner().invoke(app, ["check", "--data-dir", nowhere]).exit_code == 3
