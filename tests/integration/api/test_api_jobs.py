"""Jobs looked at, waited for, cancelled and tried again."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from schemas.errors import ErrorCode
from tests.integration.api.api_world import (
    Client,
    World,
    assert_problem,
    job_id_of,
    png,
    serving,
    until,
)


def test_a_succeeded_job_has_a_link_by_which_its_result_can_be_fetched(
    world: World, client: Client
) -> None:
    job_id = job_id_of(client.post_job())
    world.start(job_id)
    world.finish(job_id)

    answer = client.http.get(f"/v1/jobs/{job_id}")

    assert answer.status_code == 200
    body = answer.json()
    assert body["state"] == "succeeded"
    assert body["version"] == 4
    assert body["price"]["charged"] == body["price"]["amount"] == 1
    assert body["problem"] is None
    assert all(body["times"].values())
    assert httpx.get(body["result"]["url"]).content == b"done"


def test_a_failed_job_says_why_and_what_to_do_in_the_callers_language(
    world: World, client: Client
) -> None:
    job_id = job_id_of(client.post_job())
    world.start(job_id)
    world.finish(job_id, ErrorCode.TRUNCATED_IMAGE)

    english = client.http.get(f"/v1/jobs/{job_id}").json()
    chinese = client.http.get(f"/v1/jobs/{job_id}", headers={"Accept-Language": "zh-CN"}).json()

    assert english["state"] == "failed"
    assert english["price"]["charged"] == 0
    assert english["problem"]["code"] == "truncated_image"
    assert english["problem"]["detail"] == "as the test says"
    assert english["problem"]["remedy"]
    assert english["problem"]["title"].isascii()
    assert not chinese["problem"]["title"].isascii()


def test_whoever_waits_for_a_job_is_answered_when_it_ends(world: World, client: Client) -> None:
    job_id = job_id_of(client.post_job())
    world.start(job_id)
    with ThreadPoolExecutor(3) as threads:
        waiting = [
            threads.submit(
                client.http.get, f"/v1/jobs/{job_id}", headers={"Prefer": "respond-async, wait=30"}
            )
            for _ in range(3)
        ]
        world.served.until_waiting(3)
        world.finish(job_id)
        answers = [each.result(timeout=20) for each in waiting]

    for answer in answers:
        assert answer.json()["state"] == "succeeded"
        assert answer.headers["preference-applied"] == "wait=30"


def test_a_new_job_can_be_waited_for_in_its_own_request(world: World, client: Client) -> None:
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(client.post_job, headers={"Prefer": "wait=30"})
        until(lambda: world.rows("jobs", client.id) == 1)
        job_id = client.http.get("/v1/jobs").json()["jobs"][0]["id"]
        world.start(job_id)
        world.finish(job_id)
        answer = asked.result(timeout=20)

    assert answer.status_code == 200
    assert answer.json()["result"]["url"]
    assert answer.headers["preference-applied"] == "wait=30"
    assert answer.headers["location"] == f"/v1/jobs/{job_id}"


@pytest.mark.timed
def test_a_wait_that_is_over_answers_with_the_job_as_it_stands(client: Client) -> None:
    started = time.monotonic()
    answer = client.post_job(headers={"Prefer": "wait=1"})

    assert 1 <= time.monotonic() - started < 5
    assert answer.status_code == 202
    assert answer.json()["state"] == "queued"
    assert answer.headers["preference-applied"] == "wait=1"


def test_many_can_wait_while_others_are_served(world: World, client: Client) -> None:
    job_id = job_id_of(client.post_job())
    with ThreadPoolExecutor(60) as threads:
        waiting = [
            threads.submit(
                httpx.get,
                f"{world.url}/v1/jobs/{job_id}",
                headers={**client.http.headers, "Prefer": "wait=30"},
                timeout=40,
            )
            for _ in range(60)
        ]
        # More than there are threads or connections; this must not have to wait behind them.
        world.served.until_waiting(60)
        for _ in range(5):
            assert client.http.get("/v1/balance", timeout=5).status_code == 200
        world.start(job_id)
        world.finish(job_id)
        assert {each.result(timeout=20).json()["state"] for each in waiting} == {"succeeded"}


def test_another_accounts_job_is_not_there(world: World, client: Client) -> None:
    theirs = job_id_of(world.client().post_job())

    assert_problem(client.http.get(f"/v1/jobs/{theirs}"), 404, "not_found")
    assert_problem(client.http.post(f"/v1/jobs/{theirs}/cancel"), 404, "not_found")
    assert_problem(client.http.post(f"/v1/jobs/{theirs}/retry"), 404, "not_found")
    assert client.http.get("/v1/jobs").json()["jobs"] == []
    assert client.http.get("/v1/jobs/summary").json()["total"] == 0
    assert world.job(theirs).state == "queued"


@pytest.mark.parametrize("odd", ["job_", "x", "%00", "job_%00", "%F0%28", "%2e%2e", "a" * 3000])
def test_what_is_no_job_id_is_not_there(client: Client, odd: str) -> None:
    assert_problem(client.http.get(f"/v1/jobs/{odd}"), 404, "not_found")
    assert_problem(client.http.post(f"/v1/jobs/{odd}/cancel"), 404, "not_found")


def test_a_waiting_job_is_cancelled_at_once_and_cancelling_twice_is_harmless(
    client: Client,
) -> None:
    job_id = job_id_of(client.post_job())

    for _ in range(2):
        answer = client.http.post(f"/v1/jobs/{job_id}/cancel")
        assert answer.status_code == 200
        assert answer.json()["state"] == "cancelled"
        assert answer.json()["price"]["charged"] == 0
        assert answer.json()["problem"]["code"] == "job_cancelled"


def test_a_running_job_is_asked_to_stop_and_an_ended_one_cannot_be_cancelled(
    world: World, client: Client
) -> None:
    job_id = job_id_of(client.post_job())
    world.start(job_id)

    asked = client.http.post(f"/v1/jobs/{job_id}/cancel")
    assert asked.status_code == 200
    assert asked.json()["state"] == "running"
    assert asked.json()["cancel_requested"] is True

    world.finish(job_id)
    problem = assert_problem(client.http.post(f"/v1/jobs/{job_id}/cancel"), 409, "job_ended")
    assert problem["state"] == "succeeded"


def test_a_failed_job_is_tried_again_as_one_new_job(world: World, client: Client) -> None:
    old = job_id_of(client.post_job())
    world.start(old)
    world.finish(old, ErrorCode.PROCESSING_FAILED)

    first = client.http.post(f"/v1/jobs/{old}/retry")
    again = client.http.post(f"/v1/jobs/{old}/retry")

    assert first.status_code == again.status_code == 202
    assert first.json() == again.json()
    assert first.json()["retry_of"] == old
    assert first.headers["location"] == f"/v1/jobs/{first.json()['id']}"
    assert world.rows("jobs", client.id) == 2


def test_a_job_that_waits_or_succeeded_cannot_be_tried_again(world: World, client: Client) -> None:
    job_id = job_id_of(client.post_job())
    assert_problem(client.http.post(f"/v1/jobs/{job_id}/retry"), 409, "job_not_retryable")

    world.start(job_id)
    world.finish(job_id)
    assert_problem(client.http.post(f"/v1/jobs/{job_id}/retry"), 409, "job_not_retryable")


def test_a_retry_that_cannot_be_paid_leaves_nothing(world: World) -> None:
    poor = world.client(balance=1)
    old = job_id_of(poor.post_job(preset="identity"))
    world.start(old)
    world.finish(old, ErrorCode.PROCESSING_FAILED)

    # The one minor unit is still held: billing has not seen the failure yet.
    assert_problem(poor.http.post(f"/v1/jobs/{old}/retry"), 402, "insufficient_balance")
    assert world.rows("jobs", poor.id) == 1
    world.bill(old)
    assert poor.http.post(f"/v1/jobs/{old}/retry").status_code == 202


def test_pages_of_jobs_hold_each_once_newest_first(client: Client) -> None:
    made = [job_id_of(client.post_job(png(8, n + 1))) for n in range(5)]

    seen: list[str] = []
    cursor: dict[str, str] = {}
    for expected in (2, 2, 1):
        page = client.http.get("/v1/jobs", params={"limit": "2", **cursor}).json()
        assert len(page["jobs"]) == expected
        seen += [job["id"] for job in page["jobs"]]
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}

    assert seen == made[::-1]
    assert cursor == {}


def test_jobs_are_found_by_state_code_and_source(world: World, client: Client) -> None:
    queued = job_id_of(client.post_job())
    failed = job_id_of(client.post_job())
    world.start(failed)
    world.finish(failed, ErrorCode.PROCESSING_FAILED)
    cancelled = job_id_of(client.post_job())
    client.http.post(f"/v1/jobs/{cancelled}/cancel")

    def found(**params: str | list[str]) -> list[str]:
        answer = client.http.get("/v1/jobs", params=params)
        assert answer.status_code == 200, answer.text
        return [job["id"] for job in answer.json()["jobs"]]

    # Starting the failed one dispatched the queued one too.
    assert found(state="dispatched") == [queued]
    assert found(state=["failed", "cancelled"]) == [cancelled, failed]
    assert found(code="processing_failed") == [failed]
    assert found(code="processing_failed", state="cancelled") == []
    key = world.job(queued).source.key
    assert found(source_prefix=key[:-1]) == [queued]
    assert len(found(source_prefix=f"staged/{client.id}/")) == 3
    assert found(source_prefix="staged/%") == []
    assert found(source_prefix="照片") == []


def test_a_summary_counts_by_state_and_code(world: World, client: Client) -> None:
    for _ in range(2):
        client.post_job()
    failed = job_id_of(client.post_job())
    world.start(failed)
    world.finish(failed, ErrorCode.PROCESSING_FAILED)

    assert client.http.get("/v1/jobs/summary").json() == {
        "total": 3,
        "by_state": {"dispatched": 2, "failed": 1},
        "by_code": {"processing_failed": 1},
    }
    none = client.http.get("/v1/jobs/summary", params={"source_prefix": "in/"}).json()
    assert none == {"total": 0, "by_state": {}, "by_code": {}}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("state=done", "state.0"),
        ("code=oops", "code.0"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("cursor=zzz", "cursor"),
        ("cursor=ajE6OTk5OTk5OTk5OTk5OTk5OTk5OTk", "cursor"),
        ("source_prefix=in/%00", "source_prefix"),
        ("source_prefix=" + "a" * 1025, "source_prefix"),
    ],
)
def test_a_wrong_filter_is_named(client: Client, query: str, field: str) -> None:
    problem = assert_problem(client.http.get(f"/v1/jobs?{query}"), 422, "request_invalid")

    assert isinstance(problem["errors"], list)
    assert [error["field"] for error in problem["errors"]] == [field]


def test_a_prefix_that_is_not_utf_8_finds_nothing_and_breaks_nothing(client: Client) -> None:
    assert client.http.get("/v1/jobs?source_prefix=%ff%fe").json()["jobs"] == []


def test_those_who_wait_are_answered_when_the_server_ends(world: World, client: Client) -> None:
    job_id = job_id_of(client.post_job())
    with serving(world.settings) as served, ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(
            httpx.get,
            f"{served.url}/v1/jobs/{job_id}",
            headers={**client.http.headers, "Prefer": "wait=60"},
            timeout=70,
        )
        served.until_waiting(1)
        served.stop()
        assert waiting.result(timeout=10).json()["state"] == "queued"
