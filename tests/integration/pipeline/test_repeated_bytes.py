"""Pictures that were sent before are counted: at first by their ETag, at the end by their bytes."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from domain.jobs.model import Ending
from schemas.ids import AccountId, JobId, object_job_id
from tests.integration.pipeline.pipeline_world import World, success

SHA256 = hashlib.sha256(b"a picture").digest()


def sent(world: World, account_id: AccountId, etag: str) -> JobId:
    """A new upload, under a key of its own, that a worker has taken up."""
    candidate = world.candidate(account_id)
    source = replace(candidate.source, etag=etag)
    job_id = object_job_id("uploads", source.key, etag)
    world.decide(replace(candidate, job_id=job_id, source=source))
    while world.dispatch().dispatched:
        pass
    assert world.claim((job_id, 1)) == [job_id]
    return job_id


def read(job_id: JobId, sha256: bytes | None = SHA256) -> Ending:
    """An end after the bytes were read."""
    return replace(success(job_id, attempt=1), source_sha256=sha256)


def told(world: World, account_id: AccountId, source: str) -> tuple[int, int]:
    """What a source told of an account's pictures: repeated, shared."""
    row = world.conn.execute(
        "SELECT coalesce(sum(repeated), 0)::int, coalesce(sum(shared), 0)::int FROM facts"
        " WHERE kind = 'account' AND subject = %s AND source = %s",
        (account_id, source),
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def test_the_same_bytes_under_another_etag_are_repeated(world: World) -> None:
    account_id = world.account()
    first, second = sent(world, account_id, "aa"), sent(world, account_id, "bb-2")
    world.end(read(first))
    assert told(world, account_id, "results") == (0, 0)
    world.end(read(second))
    assert told(world, account_id, "results") == (1, 0)
    assert told(world, account_id, "admission") == (0, 0)


def test_whichever_ends_last_is_the_repetition(world: World) -> None:
    account_id = world.account()
    first, second = sent(world, account_id, "aa"), sent(world, account_id, "bb-2")
    world.end(read(second))
    world.end(read(first))
    assert told(world, account_id, "results") == (1, 0)


def test_of_two_that_end_together_one_is(world: World) -> None:
    account_id = world.account()
    first, second = sent(world, account_id, "aa"), sent(world, account_id, "bb-2")
    world.end(read(first), read(second))
    assert told(world, account_id, "results") == (1, 0)


def test_what_the_etag_told_already_is_not_told_twice(world: World) -> None:
    account_id, other = world.account(), world.account()
    for who in (account_id, account_id, other):
        world.end(read(sent(world, who, "aa")))
    assert told(world, account_id, "admission") == (1, 0)
    assert told(world, other, "admission") == (0, 1)
    assert told(world, account_id, "results") == (0, 0)
    assert told(world, other, "results") == (0, 0)


def test_the_bytes_of_another_account_under_another_etag_are_shared(world: World) -> None:
    accounts = sorted(world.account() for _ in range(3))
    for number, who in enumerate((accounts[1], accounts[0], accounts[2])):
        world.end(read(sent(world, who, f"e{number}")))
    assert [told(world, who, "results") for who in accounts] == [(0, 1), (0, 0), (0, 1)]


def test_other_bytes_and_those_that_nobody_read_repeat_nothing(world: World) -> None:
    account_id = world.account()
    world.end(read(sent(world, account_id, "aa")))
    world.end(read(sent(world, account_id, "bb"), hashlib.sha256(b"another").digest()))
    world.end(read(sent(world, account_id, "cc"), None))
    assert told(world, account_id, "results") == (0, 0)
