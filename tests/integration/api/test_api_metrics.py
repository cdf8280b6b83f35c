"""What the API counts of its requests: by route template, status class and problem code.

A request is counted once it has been answered, so a moment after its client goes on.
"""

from __future__ import annotations

from prometheus_client import REGISTRY

from tests.integration.api.api_limits import override
from tests.integration.api.api_world import Client, World, until


def count(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def requests(method: str, route: str, status: str) -> float:
    return count("picmend_api_request_seconds_count", method=method, route=route, status=status)


def test_requests_are_told_by_the_template_of_their_route(client: Client) -> None:
    before = requests("GET", "/v1/jobs/{job_id}", "2xx")
    job = client.post_job().json()["id"]

    client.http.get(f"/v1/jobs/{job}")

    until(lambda: requests("GET", "/v1/jobs/{job_id}", "2xx") == before + 1)
    assert job not in str(list(REGISTRY.collect()))


def test_refusals_are_told_by_their_code(client: Client) -> None:
    before = count("picmend_api_refusals_total", code="not_found")
    refused = requests("GET", "/v1/jobs/{job_id}", "4xx")

    client.http.get("/v1/jobs/job_" + "a" * 32)

    assert count("picmend_api_refusals_total", code="not_found") == before + 1
    until(lambda: requests("GET", "/v1/jobs/{job_id}", "4xx") == refused + 1)


def test_requests_for_jobs_that_do_not_fit_in_a_quota_are_told_by_it(
    world: World, client: Client
) -> None:
    before = count("picmend_quota_refusals_total", quota="jobs_per_day")
    override(world, client, jobs_per_day=1)

    answers = [client.post_job().status_code for _ in range(3)]

    assert answers == [202, 429, 429]
    assert count("picmend_quota_refusals_total", quota="jobs_per_day") == before + 2


def test_what_a_stranger_makes_up_makes_no_labels(world: World) -> None:
    http = world.client().http
    before = requests("other", "none", "4xx")

    http.request("BREW", "/coffee/42")

    until(lambda: requests("other", "none", "4xx") == before + 1)
    assert "coffee" not in str(list(REGISTRY.collect()))
