from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest

from schemas.events import WorkFinished
from schemas.ids import JobId
from schemas.states import Actor, JobState
from streams.results import ending_of

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHA256 = hashlib.sha256(b"a picture")


@pytest.mark.parametrize(("told", "kept"), [(SHA256.hexdigest(), SHA256.digest()), (None, None)])
def test_an_ending_has_the_hash_of_the_source_that_its_worker_read(
    told: str | None, kept: bytes | None
) -> None:
    ending = ending_of(
        WorkFinished(
            job_id=JobId("job_" + "a" * 32),
            attempt=2,
            outcome="cancelled",
            worker="w-1",
            started_at=AT,
            finished_at=AT,
            source_sha256=told,
        )
    )
    assert (ending.to, ending.by, ending.attempt) == (JobState.CANCELLED, Actor.RESULTS, 2)
    assert ending.source_sha256 == kept
