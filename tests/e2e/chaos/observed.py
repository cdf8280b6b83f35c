"""Everything that a system left behind, as seen from outside: by SQL, by listing, by reading."""

from __future__ import annotations

import json
from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

from domain.billing import checks
from infra.kafka_topics import SOURCE_TOPICS
from infra.object_store import from_settings
from infra.settings import Settings
from infra.topic_reader import TopicReader
from schemas import keys, topics
from tests.e2e.chaos.traffic import Sent


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as the database has it."""

    id: str
    account_id: str
    origin: str
    retry_of: str | None
    source_key: str
    source_etag: str
    state: str
    version: int
    attempt: int
    amount: int | None
    result_key: str | None
    result_etag: str | None


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of a job, as the database has it."""

    job_id: str
    version: int
    state: str
    attempt: int
    by: str


@dataclass(frozen=True, slots=True)
class HoldRow:
    """A hold, and what the ledger's entries say was captured for its job."""

    job_id: str
    amount: int
    state: str
    captured: int


@dataclass(frozen=True, slots=True)
class UsageRow:
    """A usage event that billing has recorded."""

    id: str
    job_id: str
    outcome: str
    charged: int


@dataclass(frozen=True, slots=True)
class Told:
    """One message of job-events, or of usage: which event, of which job, in which version."""

    event_id: str
    job_id: str
    version: int = 0
    state: str = ""


@dataclass(frozen=True, slots=True)
class Observed:
    """What customers were told, and everything there is."""

    sent: Sent
    jobs: tuple[JobRow, ...]
    transitions: tuple[Transition, ...]
    holds: tuple[HoldRow, ...]
    usage_rows: tuple[UsageRow, ...]
    ledger_findings: tuple[str, ...]
    ledger_sum: int
    outbox: tuple[int, ...]
    objects: dict[str, str]
    """ETags of what lies under `out/`, by key."""
    job_events: tuple[Told, ...]
    """In order within each partition; an account's are all on one."""
    usage_events: tuple[Told, ...]
    dead_letters: tuple[str, ...]


_JOBS = """
SELECT id, account_id, origin, retry_of, source_key, source_etag, state, version, attempt,
    amount, result_key, result_etag
FROM jobs ORDER BY seq
"""
_TRANSITIONS = (
    "SELECT job_id, version, state, attempt, by FROM transitions ORDER BY job_id, version"
)
_HOLDS = """
SELECT h.job_id, h.amount, h.state, coalesce((
    SELECT -sum(e.amount)
    FROM ledger_transactions t
    JOIN ledger_entries e ON e.transaction_id = t.id
    JOIN ledger_accounts a ON a.id = e.ledger_account_id AND a.name = 'held'
    WHERE t.job_id = h.job_id AND t.kind = 'capture'
), 0)::bigint AS captured
FROM holds h ORDER BY h.job_id
"""
_USAGE = "SELECT id, job_id, outcome, charged FROM usage_events ORDER BY id"


def observe(settings: Settings, sent: Sent) -> Observed:
    """Look at everything. What is seen is of one moment only when nothing moves any more."""
    reader = TopicReader(settings.kafka_bootstrap, client_id="observer")
    store = from_settings(settings)
    try:
        with psycopg.connect(settings.database_url.get_secret_value()) as conn:
            return Observed(
                sent=sent,
                jobs=tuple(conn.cursor(row_factory=class_row(JobRow)).execute(_JOBS)),
                transitions=tuple(
                    conn.cursor(row_factory=class_row(Transition)).execute(_TRANSITIONS)
                ),
                holds=tuple(conn.cursor(row_factory=class_row(HoldRow)).execute(_HOLDS)),
                usage_rows=tuple(conn.cursor(row_factory=class_row(UsageRow)).execute(_USAGE)),
                ledger_findings=tuple(
                    f"{found.code} {found.subject}: {found.detail}" for found in checks.check(conn)
                ),
                ledger_sum=checks.ledger_sum(conn),
                outbox=tuple(row[0] for row in conn.execute("SELECT id FROM outbox ORDER BY id")),
                objects={
                    info.key: info.etag for page in store.list(keys.OUTPUT_PREFIX) for info in page
                },
                job_events=tuple(_told(m.value) for m in reader.read(topics.JOB_EVENTS)),
                usage_events=tuple(_told(m.value) for m in reader.read(topics.USAGE)),
                dead_letters=tuple(
                    f"{topic.name}: {dict(m.headers).get('error', b'').decode()}"
                    for topic in SOURCE_TOPICS
                    for m in reader.read(topics.dlq(topic.name))
                ),
            )
    finally:
        reader.close()
        store.close()


def _told(body: bytes) -> Told:
    # Read as plain JSON: the harness trusts none of the code under test to tell what was told.
    event = json.loads(body)
    data = event["data"]
    return Told(event["id"], data["job_id"], data.get("version", 0), data.get("state", ""))
