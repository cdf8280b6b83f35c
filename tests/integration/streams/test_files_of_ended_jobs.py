"""What a job that ended without success has in the store: its problem file, and no result."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest
from prometheus_client import REGISTRY

from domain.jobs.model import Ending, Result
from domain.pipeline.end import end_batch
from infra.object_store import S3ObjectStore, from_settings
from infra.settings import Settings
from schemas import ids, keys
from schemas.decisions import LimitReached, Quota
from schemas.errors import ErrorCode
from schemas.events import JobChanged
from schemas.ids import AccountId, JobId
from schemas.operations import ImageFormat
from schemas.states import Actor, JobState, Origin
from streams.problems import Problems
from streams.results import Results
from tests.integration.streams.streams_world import World

ACCOUNT = AccountId("acc_1")
SOURCE = keys.input_key(ACCOUNT, "identity", "holiday/a.png")
JOB = ids.object_job_id("uploads", SOURCE, "e1")
OTHER = ids.object_job_id("uploads", SOURCE, "e2")
UPLOAD = keys.UploadKey(ACCOUNT, "identity", "holiday/a.png")


@pytest.fixture
def store(settings: Settings) -> Iterator[S3ObjectStore]:
    with closing(from_settings(settings)) as own:
        yield own


def ended(
    state: JobState, *, by: Actor = Actor.SWEEPER, attempt: int = 1, origin: Origin = Origin.OBJECT
) -> JobChanged:
    return JobChanged(
        job_id=JOB,
        account_id=ACCOUNT,
        version=4,
        state=state,
        attempt=attempt,
        by=by,
        at=datetime(2026, 5, 1, tzinfo=UTC),
        origin=origin,
        source_key=SOURCE if origin is Origin.OBJECT else "staged/acc_1/upl_1",
    )


def stored(store: S3ObjectStore, *names: str) -> set[str]:
    for key in names:
        store.put(key, b"a result", "image/png")
    return set(names)


def listed(store: S3ObjectStore) -> set[str]:
    return {info.key for page in store.list("out/") for info in page}


@pytest.mark.parametrize("form", ImageFormat)
def test_a_result_that_nobody_reported_goes_when_its_job_ends_cancelled(
    store: S3ObjectStore, form: ImageFormat
) -> None:
    stored(store, keys.result_key(UPLOAD, JOB, form.extension))
    Problems(store).step([ended(JobState.CANCELLED)])
    assert listed(store) == {keys.problem_key(SOURCE, JOB)}


def test_so_does_that_of_a_job_from_the_api(store: S3ObjectStore) -> None:
    stored(store, keys.api_result_key(ACCOUNT, JOB, "png"))
    Problems(store).step([ended(JobState.FAILED, origin=Origin.API)])
    assert listed(store) == set()


def succeeded(job_id: JobId, key: str) -> Ending:
    result = Result(key, "e", 8, "image/png", 8, 6)
    return Ending(job_id, JobState.SUCCEEDED, Actor.RESULTS, attempt=1, result=result)


def test_a_result_that_is_reported_when_its_job_has_ended_otherwise_goes(
    store: S3ObjectStore, world: World
) -> None:
    account = world.account()
    late, done, strange = world.queue(account, 3)
    keys_of = {job: f"out/{account}/identity/a.png.{job}.png" for job in (late, done)}
    stored(store, *keys_of.values(), f"out/{account}/another.png")
    world.dispatch()
    world.claim(late, done, strange)
    results = Results(world.pool, store, world.clock)
    reports = [
        succeeded(late, keys_of[late]),
        succeeded(done, keys_of[done]),
        succeeded(strange, f"out/{account}/another.png"),
    ]
    results.step([reports[1]])
    with world.pool.connection() as conn:
        for job in (late, strange):
            ending = Ending(job, JobState.CANCELLED, Actor.SWEEPER, code=ErrorCode.JOB_CANCELLED)
            assert end_batch(conn, [ending], clock=world.clock)

    results.step(reports)

    assert world.states([late, done]) == [JobState.CANCELLED, JobState.SUCCEEDED]
    assert listed(store) == {keys_of[done], f"out/{account}/another.png"}


def test_results_of_other_jobs_and_of_successes_stay(store: S3ObjectStore) -> None:
    kept = stored(store, keys.result_key(UPLOAD, OTHER, "png"), keys.result_key(UPLOAD, JOB, "png"))
    Problems(store).step(
        [ended(JobState.SUCCEEDED, by=Actor.RESULTS), ended(JobState.QUEUED), None]
    )
    assert listed(store) == kept


def test_for_a_job_that_no_worker_was_given_nothing_is_taken_away(store: S3ObjectStore) -> None:
    kept = stored(store, keys.result_key(UPLOAD, JOB, "png"))
    Problems(store).step([ended(JobState.CANCELLED, by=Actor.CLIENT, attempt=0)])
    assert listed(store) == kept | {keys.problem_key(SOURCE, JOB)}


def test_an_upload_that_a_limit_refused_is_counted_by_the_limit(store: S3ObjectStore) -> None:
    def counted() -> float:
        labels = {"quota": "jobs_per_month"}
        return REGISTRY.get_sample_value("picmend_quota_refusals_total", labels) or 0.0

    before = counted()
    limit = LimitReached(quota=Quota.JOBS_PER_MONTH, limit=5, used=5, asked=1)
    refused = ended(JobState.REJECTED).model_copy(update={"limit": limit})

    Problems(store).step([refused, ended(JobState.REJECTED), ended(JobState.CANCELLED)])

    assert counted() == before + 1
