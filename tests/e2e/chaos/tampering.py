"""Harm done by hand to a system that is quiet: in its database, its store and its topics."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import LiteralString

import psycopg
from psycopg import sql

from infra.kafka import KafkaPythonProducer, Message
from infra.object_store import from_settings
from infra.settings import Settings
from schemas import topics
from schemas.ids import JobId
from tests.e2e.chaos.observed import Observed
from tests.e2e.chaos.traffic import Answer, Order, Sent, Upload

_LOST = "in/acc/identity/lost.png"
_STRAY = "out/acc/stray.png"
_NEVER = JobId("job_never")

# By the rule that must find it; each is done to a job of its own.
_STATEMENTS: dict[str, LiteralString] = {
    "transitions_are_contiguous": "DELETE FROM transitions WHERE job_id = %s AND version = 2",
    "transitions_are_legal": (
        "UPDATE transitions SET by = 'client' WHERE job_id = %s AND state = 'succeeded'"
    ),
    "each_queued_job_is_used_once": "DELETE FROM usage_events WHERE job_id = %s",
    "usage_says_how_jobs_ended": (
        "UPDATE usage_events SET outcome = 'failed', charged = 0 WHERE job_id = %s"
    ),
    "every_hold_is_closed_once": (
        "UPDATE holds SET state = 'open', closed_at = NULL WHERE job_id = %s"
    ),
    "what_succeeded_is_charged_once": (
        "UPDATE ledger_entries e SET amount = amount - 1"
        " FROM ledger_transactions t, ledger_accounts a"
        " WHERE t.id = e.transaction_id AND a.id = e.ledger_account_id"
        " AND t.job_id = %s AND t.kind = 'capture' AND a.name = 'held'"
    ),
}
_GUARDED = ("usage_events", "holds", "ledger_entries")


@dataclass(frozen=True, slots=True)
class Harm:
    """What customers say now, and what must be found on looking again: rules and subjects."""

    sent: Sent
    expected: frozenset[tuple[str, str]]


def harm(settings: Settings, seen: Observed) -> Harm:
    """Break every rule once. Nothing may be at work there any more."""
    done = [job for job in seen.jobs if job.state == "succeeded" and job.result_key]
    stopped = [job for job in seen.jobs if job.state == "cancelled" and job.origin == "object"]
    broken = {
        **_in_the_database(settings, [job.id for job in done[:10]], stopped[0].id),
        **_in_the_store(settings, done[10].result_key or "", stopped[1].source_key, stopped[1].id),
        "each_success_has_its_result": done[10].id,
        **_in_the_topics(settings, done[11].id),
        "each_upload_has_one_job": _LOST,
        "each_accepted_order_has_its_job": _NEVER,
        "refused_orders_leave_nothing": done[12].id,
    }
    sent = replace(
        seen.sent,
        uploads=(*seen.sent.uploads, Upload(_LOST, "e")),
        orders=(
            *seen.sent.orders,
            Order(_NEVER, Answer.ACCEPTED),
            Order(JobId(done[12].id), Answer.REFUSED),
        ),
    )
    return Harm(sent, frozenset(broken.items()))


def _in_the_database(settings: Settings, done: list[str], stopped: str) -> dict[str, str]:
    owner = settings.migrations_url
    if owner is None:
        raise ValueError("only the owner of the schema can do such harm")
    broken = dict(zip(_STATEMENTS, done, strict=False))
    with psycopg.connect(owner.get_secret_value()) as conn:
        for table in _GUARDED:
            conn.execute(
                sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(sql.Identifier(table))
            )
        for rule, statement in _STATEMENTS.items():
            changed = conn.execute(statement, (broken[rule],))
            assert changed.rowcount == 1, rule
        conn.execute("UPDATE jobs SET state = 'queued', ended_at = NULL WHERE id = %s", (stopped,))
        row = conn.execute(
            "INSERT INTO outbox (topic, key, body, at) VALUES ('usage', 'k', '', now())"
            " RETURNING id"
        ).fetchone()
    assert row is not None
    broken["usage_says_how_jobs_ended"] += ".usage"
    return {
        **broken,
        "every_job_has_ended": stopped,
        "outbox_is_empty": f"outbox {row[0]}",
        "ledger_is_sound": "ledger",
    }


def _in_the_store(
    settings: Settings, result_key: str, source_key: str, stopped: str
) -> dict[str, str]:
    store = from_settings(settings)
    store.delete(result_key)
    store.delete(f"out/{source_key.removeprefix('in/')}.{stopped}.problem.json")
    store.put(_STRAY, b"stray", "image/png")
    store.close()
    return {
        "each_other_end_has_its_problem_file": stopped,
        "nothing_else_is_stored": _STRAY,
    }


def _in_the_topics(settings: Settings, done: str) -> dict[str, str]:
    def event(topic: str, id_: str, **data: str | int) -> Message:
        return Message(topic, b"key", json.dumps({"id": id_, "data": data}).encode())

    producer = KafkaPythonProducer(settings.kafka_bootstrap, client_id="vandal")
    producer.send_all(
        [
            event(topics.JOB_EVENTS, "1", job_id=done, version=99, state="failed"),
            event(topics.JOB_EVENTS, "2", job_id="job_reversed", version=2, state="dispatched"),
            event(topics.JOB_EVENTS, "3", job_id="job_reversed", version=1, state="queued"),
            event(topics.USAGE, "again", job_id=done),
            Message(topics.dlq(topics.USAGE), None, b"", (("error", b"garbage"),)),
        ]
    )
    producer.close()
    return {
        "every_transition_is_told": done,
        "transitions_are_told_in_order": "job_reversed",
        "usage_is_told_once": done,
        "dead_letters_are_empty": topics.USAGE,
    }
