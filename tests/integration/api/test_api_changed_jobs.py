"""Priority and expiry of jobs: told with the order, and changed while a job waits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import httpx
import pytest

from domain.admission.facts import Subject, SubjectKind
from domain.admission.restrictions import Step, restrict
from domain.jobs import store as jobs
from tests.integration.api.api_limits import override
from tests.integration.api.api_world import (
    CLOCK,
    Client,
    World,
    assert_problem,
    job_id_of,
    png,
    until,
)


def change(client: Client, job_id: str, **body: object) -> httpx.Response:
    return client.http.patch(f"/v1/jobs/{job_id}", json=body)


def test_a_priority_comes_with_the_order_in_both_forms(world: World, client: Client) -> None:
    form = client.post_job(fields={"preset": "identity", "priority": "-7"})
    upload = client.upload(png())
    sent = client.post_json({"upload_id": upload, "preset": "identity", "priority": 100})

    assert (form.json()["priority"], sent.json()["priority"]) == (-7, 100)
    assert world.job(job_id_of(sent)).priority == 100
    assert client.post_job().json()["priority"] == 0


def test_a_priority_is_part_of_what_a_key_stands_for(client: Client) -> None:
    first = client.post_job(key="k", fields={"preset": "identity", "priority": "5"})
    again = client.post_job(key="k", fields={"preset": "identity", "priority": "5"})
    other = client.post_job(key="k", fields={"preset": "identity", "priority": "6"})

    assert again.json()["id"] == first.json()["id"]
    assert_problem(other, 422, "idempotency_conflict")


@pytest.mark.parametrize("priority", ["-101", "101", "1e9", "high", "9" * 30])
def test_an_absurd_priority_is_refused(world: World, client: Client, priority: str) -> None:
    answer = client.post_job(fields={"preset": "identity", "priority": priority})

    problem = assert_problem(answer, 422, "request_invalid")
    assert "priority" in str(problem["errors"])
    assert world.rows("jobs", client.id) == 0


def test_priority_and_expiry_can_be_changed_while_a_job_waits(world: World, client: Client) -> None:
    job_id = job_id_of(client.post_job())
    before = world.job(job_id)
    sooner = CLOCK.now() + timedelta(hours=1)

    changed = change(client, job_id, priority=9)
    assert changed.status_code == 200
    assert changed.json()["priority"] == 9
    changed = change(client, job_id, expires_at=sooner.isoformat())

    assert datetime.fromisoformat(changed.json()["times"]["expires_at"]) == sooner
    after = world.job(job_id)
    assert (after.priority, after.expires_at) == (9, sooner)
    assert (after.state, after.version) == (before.state, before.version)
    assert world.rows("outbox o JOIN jobs j ON o.key IN (j.id, j.account_id)", client.id) == 1


def test_a_job_that_runs_or_has_ended_cannot_be_changed(world: World, client: Client) -> None:
    job_id = job_id_of(client.post_job())
    world.start(job_id)
    problem = assert_problem(change(client, job_id, priority=9), 409, "job_not_waiting")
    assert (problem["job_id"], problem["state"]) == (job_id, "running")

    world.finish(job_id)
    problem = assert_problem(change(client, job_id, priority=9), 409, "job_not_waiting")
    assert problem["state"] == "succeeded"
    assert world.job(job_id).priority == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"priority": None},
        {"priority": 101},
        {"priority": "soon"},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": "2999-01-01T00:00:00Z"},
        {"expires_at": "2026-01-01T00:00:00"},
        {"state": "running"},
    ],
)
def test_a_change_that_makes_no_sense_changes_nothing(
    world: World, client: Client, body: dict[str, object]
) -> None:
    job_id = job_id_of(client.post_job())
    before = world.job(job_id)

    assert_problem(change(client, job_id, **body), 422, "request_invalid")
    assert world.job(job_id) == before


def test_a_job_in_review_can_be_ordered_and_has_no_place_yet(world: World, client: Client) -> None:
    with world.connect() as conn:
        restrict(
            conn,
            Subject(SubjectKind.ACCOUNT, client.id),
            Step.REVIEW,
            finding_id=None,
            reason="test",
            by="test",
            since=CLOCK.now(),
            until=None,
        )
    answer = client.post_job()
    job_id = job_id_of(answer)

    assert (answer.status_code, answer.json()["state"]) == (202, "review")
    assert change(client, job_id, priority=9).json()["priority"] == 9
    found = client.http.get(f"/v1/jobs/{job_id}").json()
    assert (found["priority"], found["queue"], found["limit"]) == (9, None, None)


def test_a_dispatcher_that_takes_the_job_at_this_moment_comes_first(
    world: World, client: Client
) -> None:
    job_id = job_id_of(client.post_job())
    with ThreadPoolExecutor(1) as threads, world.connect() as dispatcher:
        jobs.dispatch(dispatcher, [job_id], CLOCK.now())
        changing = threads.submit(change, client, job_id, priority=9)
        until(lambda: waits_for_a_row(world))
        dispatcher.commit()
        answer = changing.result(timeout=20)

    assert assert_problem(answer, 409, "job_not_waiting")["state"] == "dispatched"
    assert world.job(job_id).priority == 0


def waits_for_a_row(world: World) -> bool:
    with world.connect() as conn:
        found = conn.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
            " AND wait_event_type = 'Lock' AND query LIKE 'UPDATE jobs SET priority%')"
        ).fetchone()
    return found == (True,)


def test_nobody_changes_anothers_job(world: World, client: Client) -> None:
    job_id = job_id_of(client.post_job())

    assert_problem(change(world.client(), job_id, priority=9), 404, "not_found")
    assert_problem(change(client, "x", priority=9), 404, "not_found")
    assert world.job(job_id).priority == 0


def test_an_account_sees_its_limits_and_what_it_used(world: World, client: Client) -> None:
    override(world, client, jobs_per_day=5)
    client.post_job().raise_for_status()

    found = client.http.get("/v1/limits").json()

    assert (found["account_id"], found["plan"]) == (client.id, "standard")
    assert found["time_zone"] == "Asia/Shanghai"
    limits = {(one["operation"], one["quota"]): one for one in found["limits"]}
    day = limits[None, "jobs_per_day"]
    assert (day["limit"], day["used"], day["left"], day["until"]) == (5, 1, 4, None)
    resets_at = datetime.fromisoformat(day["resets_at"])
    assert timedelta() < resets_at - CLOCK.now() <= timedelta(days=1)
    waiting = limits[None, "jobs_waiting"]
    assert (waiting["limit"], waiting["used"], waiting["resets_at"]) == (20_000, 1, None)
    assert limits[None, "requests_per_second"]["limit"] == 50
    assert limits[None, "requests_per_second"]["used"] is None


def test_a_queued_job_tells_its_place_which_its_priority_changes(client: Client) -> None:
    # Others of these tests may have left jobs in the line.
    first, second = (job_id_of(client.post_job()) for _ in range(2))

    def place(job_id: str) -> int:
        queue = client.http.get(f"/v1/jobs/{job_id}").json()["queue"]
        assert queue["at_least"] is False
        assert "estimated_start_at" in queue
        return int(queue["position"])

    assert place(first) < place(second)
    assert change(client, second, priority=1).json()["queue"]["position"] == place(second)
    assert place(second) < place(first)

    client.http.post(f"/v1/jobs/{first}/cancel").raise_for_status()
    assert client.http.get(f"/v1/jobs/{first}").json()["queue"] is None
