"""Facts of a test's own, and turns of the judge over them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

from domain.admission import facts_store, findings_store, rule_store
from domain.admission.facts import Facts, Source, Subject, SubjectKind, bucket_of
from domain.admission.findings import Finding
from domain.admission.findings_store import FindingFilter
from domain.admission.memory import Memory
from domain.admission.rulebook import Change, Rulebook
from domain.pipeline.judge import Judged, judge_once, let_go
from schemas import topics
from schemas.events import AbuseFound, Event
from tests.integration.pipeline.pipeline_world import World

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
RULE = "forbidden_content"
"""The rule that most of these tests use: one refused picture is enough, as they set it."""


def account_of(account_id: str) -> Subject:
    return Subject(SubjectKind.ACCOUNT, account_id)


def count(world: World, subject: Subject, at: datetime | None = None, **facts: int) -> None:
    counted = {(subject, bucket_of(at or world.clock.now())): Facts(**facts)}
    facts_store.add(world.conn, Source.RESULTS, counted)
    world.conn.commit()


def misuse(world: World, account_id: str, at: datetime | None = None) -> None:
    """Let the rule of these tests find something."""
    count(world, account_of(account_id), at, content_refused=1)


def set_rule(world: World, ladder: list[dict[str, Any]] | None = None, **change: Any) -> None:
    """Let one refused picture be found, for every plan; with another ladder or mode."""
    for plan in ("*", "free", "enterprise"):
        rule_store.write(
            world.conn,
            RULE,
            plan,
            Change(parameters={"at_least": 1, "share": 0.01}, ladder=ladder, **change),
            by="ops",
            at=world.clock.now(),
        )
    world.conn.commit()


def turn(
    world: World,
    memory: Memory | None = None,
    *,
    load: Callable[[Connection], Rulebook] = rule_store.load,
) -> Judged:
    judged = judge_once(world.conn, memory or Memory(), clock=world.clock, load=load)
    world.conn.commit()
    return judged


def end_what_is_over(world: World) -> int:
    world.conn.autocommit = True
    try:
        return let_go(world.conn, clock=world.clock)
    finally:
        world.conn.autocommit = False


def found(world: World, *rules: str) -> list[Finding]:
    """Return all findings, the newest first."""
    findings = findings_store.page(world.conn, FindingFilter(rules=rules), limit=1000)
    world.conn.commit()
    return findings


def told_of(world: World) -> list[AbuseFound]:
    return [
        Event[AbuseFound].decode(each.body).data for each in world.messages(topics.ABUSE_FINDINGS)
    ]
