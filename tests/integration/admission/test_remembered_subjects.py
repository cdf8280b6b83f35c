"""What the judge remembers is what it would read."""

from __future__ import annotations

import random
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.admission import facts_store
from domain.admission.facts import BUCKET, Facts, Source, Subject, SubjectKind, bucket_of
from domain.admission.memory import Memory, begins, recall
from tests.integration.admission.judged_world import HOUR
from tests.integration.pipeline.pipeline_world import World

START = datetime(2026, 3, 1, 12, 7, tzinfo=UTC)
KEY, NETWORK = Subject(SubjectKind.KEY, "k1"), Subject(SubjectKind.NETWORK, "192.0.2.0/24")


def known(memory: Memory, subject: Subject, until: datetime) -> dict[str, Any]:
    own = memory.get(subject)
    assert own is not None
    return {
        "minutes": [asdict(b) for b in own.minutes_at(until)],
        "hours": [asdict(b) for b in own.hours_at(until)],
        "sightings": [asdict(s) for s in own.sightings_at(until, begins(until))],
        "past": own.past_at(until) if subject == KEY else None,
    }


def read(world: World, subject: Subject, until: datetime) -> dict[str, Any]:
    own = recall(world.conn, {subject: begins(until)})[subject]
    world.conn.commit()
    fresh = Memory()
    fresh._subjects[subject] = own  # noqa: SLF001 - what is read is looked at as what is remembered
    return known(fresh, subject, until)


def happen(world: World, subject: Subject, at: datetime, network: str) -> None:
    source = Source.API if at.minute % 2 else Source.RESULTS
    counted = {(subject, bucket_of(at)): Facts(jobs=3, requests=at.minute, reads=1)}
    facts_store.add(world.conn, source, counted)
    if subject == KEY:
        world.conn.execute(
            "INSERT INTO sightings AS s (key_id, account_id, network, hour, requests, first_at,"
            " last_at) VALUES ('k1', 'acc_1', %s, date_trunc('hour', %s, 'UTC'), 1, %s, %s)"
            " ON CONFLICT (key_id, hour, network) DO UPDATE"
            " SET requests = s.requests + 1, last_at = greatest(s.last_at, excluded.last_at)",
            (network, at, at, at),
        )
    world.conn.commit()


def test_over_days_with_late_minutes_and_idle_hours_it_stays_what_would_be_read(
    world: World,
) -> None:
    chance = random.Random(5)
    memory = Memory()
    now = START - timedelta(days=29)
    asked = 0
    for _ in range(140):
        now += chance.choice([BUCKET, 7 * BUCKET, 50 * BUCKET, 5 * HOUR, timedelta(days=1)])
        for subject in (KEY, NETWORK):
            late = chance.choice([timedelta(), timedelta(), 3 * BUCKET, 100 * BUCKET, 9 * HOUR])
            happen(world, subject, now, f"192.0.{chance.randrange(4)}.0/24")
            happen(world, subject, now - late, "198.51.100.0/24")
            buckets = {bucket_of(now), bucket_of(now - late)}
            memory.learn(world.conn, {subject: buckets})
            if chance.random() < 0.2:
                for bucket in buckets:
                    until = bucket + BUCKET
                    assert known(memory, subject, until) == read(world, subject, until)
                    asked += 1
            memory.settle([subject])
    assert asked > 50


def test_it_forgets_whom_it_was_not_told_of_for_the_longest_time(world: World) -> None:
    memory = Memory(limit=10)
    subjects = [Subject(SubjectKind.KEY, f"k{number}") for number in range(30)]
    for number, subject in enumerate(subjects):
        happen(world, subject, START + number * BUCKET, "")
        memory.learn(world.conn, {subject: [bucket_of(START + number * BUCKET)]})
        memory.settle([subject])
    remembered = [subject for subject in subjects if memory.get(subject) is not None]
    assert remembered == subjects[-10:]
