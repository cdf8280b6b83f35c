"""`picmend jobs show` tells everything that happened to one job."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from domain.jobs import pace
from domain.jobs.pace import Pace
from domain.pipeline.submit import submit_retry
from domain.pipeline.sweep import sweep_leases
from infra.dead_letters import DeadLetters, DeadReason
from infra.kafka import Message
from infra.object_store import from_settings
from infra.settings import Settings
from schemas import events, keys, topics
from schemas.errors import ErrorCode
from schemas.ids import JobId
from schemas.states import JobState
from streams.relay import Relay
from tests.integration.pipeline.pipeline_world import (
    IDENTITY,
    LEASE,
    RESULT,
    WEEK,
    World,
    failure,
    success,
)
from tests.integration.streams.streams_world import job_request

if TYPE_CHECKING:
    from typer.testing import Result

    from infra.kafka import KafkaPythonProducer

Command = Callable[..., "Result"]


def told(shown: Result) -> dict[str, Any]:
    assert shown.exit_code == 0, shown.output
    answer: dict[str, Any] = json.loads(shown.stdout)
    return answer


def tried_twice(world: World) -> JobId:
    """Return a job that lost its first lease and succeeded in its second attempt."""
    (job_id,) = world.running(world.account())
    world.clock.move(LEASE + timedelta(seconds=1))
    sweep_leases(world.conn, clock=world.clock)
    world.conn.commit()
    world.dispatch()
    world.claim((job_id, 2), worker="worker-2")
    world.end(success(job_id, 2))
    world.bill()
    return job_id


def test_transitions_attempts_money_and_what_waits_are_told_in_order_of_time(
    world: World, picmend: Command
) -> None:
    job_id = tried_twice(world)

    shown = told(picmend("jobs", "show", job_id, "--json"))

    assert [(s["state"], s["by"], s["attempt"]) for s in shown["transitions"]] == [
        ("queued", "decide", 0),
        ("dispatched", "dispatcher", 1),
        ("running", "worker", 1),
        ("queued", "sweeper", 1),
        ("dispatched", "dispatcher", 2),
        ("running", "worker", 2),
        ("succeeded", "results", 2),
    ]
    assert [(a["number"], a["how"], a["worker"]) for a in shown["attempts"]] == [
        (1, "lease lost", None),
        (2, "succeeded", "worker-2"),
    ]
    assert shown["lease_losses"] == 1
    assert (shown["hold"]["state"], shown["hold"]["amount"]) == ("captured", 1)
    assert shown["usage"]["charged"] == 1
    assert [(e["kind"], e["ledger"], e["amount"]) for e in shown["entries"]] == [
        ("hold", "available", -1),
        ("hold", "held", 1),
        ("capture", "held", -1),
        ("capture", "revenue", 1),
    ]
    waiting = [m["event_id"] for m in shown["messages"] if m["where"].startswith("outbox")]
    assert sorted(waiting) == sorted(
        [f"{job_id}.{version}" for version in range(1, 8)]
        + [f"{job_id}.1.dispatched", f"{job_id}.2.dispatched", f"{job_id}.usage"]
    )
    times = [moment["at"] for moment in shown["story"]]
    assert times == sorted(times)
    assert {moment["kind"] for moment in shown["story"]} == {
        "source", "state", "attempt", "hold", "ledger", "usage", "message",
    }  # fmt: skip

    text = picmend("jobs", "show", job_id).stdout
    for expected in ("lease lost", "worker-2", "capture", "succeeded by results", "--topics"):
        assert expected in text


def test_a_job_in_line_shows_its_place_and_when_it_may_start(
    world: World, picmend: Command
) -> None:
    jobs = world.admit(world.account(), 3)
    assert told(picmend("jobs", "show", jobs[1], "--json"))["place"] == {
        "position": 2,
        "at_least": False,
        "estimated_start": None,
    }
    pace.add(world.conn, IDENTITY, Pace(60, 20.0), world.clock.now())
    world.conn.commit()

    text = picmend("jobs", "show", jobs[2]).stdout
    assert "3, may start about 20" in text

    (running,) = world.running(world.account())
    assert told(picmend("jobs", "show", running, "--json"))["place"] is None


def test_messages_are_found_on_their_topics_with_duplicates_marked(
    world: World, picmend: Command, producer: KafkaPythonProducer
) -> None:
    job_id = tried_twice(world)
    job = world.job(job_id)
    request = replace_job(job_request(job.account_id, "x", at=world.clock.now()), job_id)
    asked = events.job_requested(request, at=world.clock.now())
    announced = minio_event(job.bucket, job.source.key, job.source.etag)
    twice = [
        Message(topics.JOB_REQUESTS, job.account_id.encode(), asked.encode()),
        Message(topics.OBJECT_EVENTS, b"any", announced),
    ]
    Relay(producer).step(world.conn)
    world.conn.commit()
    producer.send_all(twice * 2)
    dead = replace(twice[0], partition=3, offset=7)
    DeadLetters(producer, world.clock).put(
        dead, reason=DeadReason.REFUSED, error="it was too much", attempt=1, schema="urn:x"
    )

    shown = told(picmend("jobs", "show", job_id, "--topics", "--json"))

    found = [(m["where"], m["event_id"], m["duplicate"]) for m in shown["messages"]]
    assert len(found) == 10 + 4
    for topic, event_id in (
        (topics.JOB_REQUESTS, f"{job_id}.requested"),
        (topics.OBJECT_EVENTS, f"{job.source.key} {job.source.etag}"),
    ):
        assert [d for t, e, d in found if (t, e) == (topic, event_id)] == [False, True]
    assert (topics.USAGE, f"{job_id}.usage", False) in found
    assert (topics.work(job.operation), f"{job_id}.2.dispatched", False) in found  # type: ignore[arg-type]
    assert (topics.JOB_EVENTS, f"{job_id}.7", False) in found
    assert all(m["partition"] >= 0 and m["offset"] >= 0 for m in shown["messages"])
    (letter,) = shown["dead_letters"]
    assert (letter["topic"], letter["reason"], letter["open"]) == (
        "job-requests.dlq",
        "refused",
        True,
    )
    assert letter["error"] == "it was too much"
    whole = told(picmend("jobs", "show", job_id, "--whole", "--json"))
    assert len(whole["messages"]) == 14
    text = picmend("jobs", "show", job_id, "--topics").stdout
    assert ", again" in text
    assert "it was too much" in text


def replace_job(request: events.JobRequested, job_id: JobId) -> events.JobRequested:
    return request.model_copy(update={"job_id": job_id})


def minio_event(bucket: str, key: str, etag: str) -> bytes:
    record = {
        "eventName": "s3:ObjectCreated:Put",
        "s3": {"bucket": {"name": bucket}, "object": {"key": key, "eTag": etag, "size": 9}},
    }
    return json.dumps({"EventName": record["eventName"], "Records": [record]}).encode()


def test_files_are_looked_for_where_the_job_says_and_their_etags_compared(
    world: World, picmend: Command, settings: Settings
) -> None:
    store = from_settings(settings)
    one, two, three = world.running(world.account(), 3)
    for job_id, etag in ((one, ""), (two, "0f")):
        key = f"out/{job_id}.png"
        stored = store.put(key, b"a result", "image/png")
        result = replace(RESULT, key=key, etag=etag or stored)
        world.end(replace(success(job_id), result=result))
    world.end(failure(three))
    source = world.job(three).source
    store.put(source.key, b"", "image/png")

    def files(job_id: JobId) -> dict[str, str]:
        shown = told(picmend("jobs", "show", job_id, "--json"))
        return {file["what"]: file["found"] for file in shown["files"]}

    assert files(one) == {"source": "missing", "result": "there"}
    assert files(two) == {"source": "missing", "result": "another"}
    assert files(three) == {"source": "another", "problem": "missing"}
    store.put(keys.problem_key(source.key, three), b"{}", "application/problem+json")
    assert files(three)["problem"] == "there"
    store.close()


def test_a_retry_is_linked_both_ways(world: World, picmend: Command) -> None:
    (old,) = world.running(world.account())
    world.end(failure(old))
    new = submit_retry(world.conn, world.job(old), clock=world.clock, lifetime=WEEK).id
    world.conn.commit()

    assert told(picmend("jobs", "show", old, "--json"))["retried_by"] == [new]
    assert told(picmend("jobs", "show", new, "--json"))["retry_of"] == old
    assert new in picmend("jobs", "show", old).stdout


def test_a_job_that_was_rejected_has_a_story_without_money(world: World, picmend: Command) -> None:
    candidate = world.candidate("nobody")
    world.decide(candidate)

    shown = told(picmend("jobs", "show", candidate.job_id, "--json"))

    assert (shown["state"], shown["code"]) == (JobState.REJECTED, ErrorCode.ACCOUNT_UNKNOWN)
    assert (shown["hold"], shown["usage"], shown["entries"], shown["attempts"]) == (
        None,
        None,
        [],
        [],
    )
    assert picmend("jobs", "show", candidate.job_id).exit_code == 0


def test_a_job_that_is_not_there_is_told_with_exit_code_1(picmend: Command) -> None:
    missing = picmend("jobs", "show", "job_x")
    assert missing.exit_code == 1
    assert "no job 'job_x'" in missing.stderr
