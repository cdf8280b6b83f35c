"""How fast a client may come, how it is told, and what it is told when a quota is used up."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import httpx

from domain.admission.rates import UNKNOWN_KEYS
from tests.integration.api.api_limits import ADDRESSES, WRONG_KEY, override
from tests.integration.api.api_world import CLOCK, Client, World, assert_problem


def rate(answer: httpx.Response) -> tuple[str, int, int]:
    """The policy of a RateLimit header, what remains, and the seconds until there is more."""
    found = re.fullmatch(r'"([a-z-]+)";r=(\d+);t=(\d+)', answer.headers["ratelimit"])
    assert found is not None
    return found[1], int(found[2]), int(found[3])


def test_every_answer_tells_how_the_rate_stands(client: Client) -> None:
    for answer, status in (
        (client.http.get("/v1/balance"), 200),
        (client.http.get("/v1/jobs/x"), 404),
        (client.http.get("/v1/jobs?limit=0"), 422),
        (client.post_json({"preset": "identity"}), 422),
    ):
        assert answer.status_code == status
        assert answer.headers["ratelimit-policy"] == '"default";q=100;w=2'
        policy, remaining, more = rate(answer)
        assert policy == "default"
        assert 90 <= remaining <= 99
        assert more == 1


def test_who_comes_too_fast_is_told_when_to_come_again(world: World, client: Client) -> None:
    override(world, client, requests_per_second=1, request_burst=3)
    url = "/v1/balance"

    answers = [client.http.get(url)]
    while answers[-1].status_code == 200:
        answers.append(client.http.get(url))
    refused = answers.pop()

    assert len(answers) >= 3
    assert rate(answers[0])[1] == 2
    problem = assert_problem(refused, 429, "rate_limited")
    assert "RateLimit" in str(problem["remedy"])
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["ratelimit-policy"] == '"default";q=3;w=3'
    assert rate(refused) == ("default", 0, 1)
    assert world.client().http.get(url).status_code == 200


def test_a_job_is_not_even_read_from_who_comes_too_fast(world: World, client: Client) -> None:
    override(world, client, requests_per_second=0)

    assert_problem(client.post_job(), 429, "rate_limited")
    assert world.rows("jobs", client.id) == 0


def test_what_needs_no_key_is_not_limited(world: World) -> None:
    for path in ("/healthz", "/readyz", "/v1/errors", "/v1/openapi.json"):
        answer = world.http().get(path)
        assert answer.status_code == 200
        assert "ratelimit" not in answer.headers


def test_who_guesses_keys_is_slowed_down_and_nobody_else(world: World, client: Client) -> None:
    here = {"X-Forwarded-For": next(ADDRESSES)}
    guesser = world.http(WRONG_KEY, **here)

    for left in reversed(range(UNKNOWN_KEYS.burst)):
        answer = guesser.get("/v1/balance")
        assert_problem(answer, 401, "unauthenticated")
        assert rate(answer)[:2] == ("invalid-keys", left)
    refused = guesser.get("/v1/balance")
    assert_problem(refused, 429, "rate_limited")
    assert refused.headers["retry-after"] == "6"

    elsewhere = world.http(WRONG_KEY, **{"X-Forwarded-For": next(ADDRESSES)})
    assert_problem(elsewhere.get("/v1/balance"), 401, "unauthenticated")
    assert client.http.get("/v1/balance", headers=here).status_code == 200


def test_who_sends_no_key_at_all_shares_the_tries_of_its_network(
    world: World, client: Client
) -> None:
    here = {"X-Forwarded-For": next(ADDRESSES)}
    keyless, guesser = world.http(**here), world.http(WRONG_KEY, **here)

    for turn in range(UNKNOWN_KEYS.burst):
        answer = (guesser if turn % 2 else keyless).get("/v1/balance")
        assert_problem(answer, 401, "unauthenticated")
        assert rate(answer)[:2] == ("invalid-keys", UNKNOWN_KEYS.burst - 1 - turn)
    for each in (keyless, guesser):
        refused = each.get("/v1/balance")
        assert_problem(refused, 429, "rate_limited")
        assert refused.headers["retry-after"] == "6"

    assert keyless.get("/v1/errors").status_code == 200
    assert keyless.get("/readyz").status_code == 200
    assert client.http.get("/v1/balance", headers=here).status_code == 200


def test_a_quota_that_is_used_up_says_which_and_until_when(world: World, client: Client) -> None:
    override(world, client, jobs_per_day=1)
    client.post_job().raise_for_status()

    refused = client.post_job()

    limit = assert_problem(refused, 429, "quota_exceeded")["limit"]
    assert isinstance(limit, dict)
    resets_at = datetime.fromisoformat(str(limit["resets_at"]))
    assert limit | {"resets_at": None} == {
        "quota": "jobs_per_day",
        "operation": None,
        "limit": 1,
        "used": 1,
        "asked": 1,
        "resets_at": None,
    }
    left = timedelta(seconds=int(refused.headers["retry-after"]))
    assert abs(CLOCK.now() + left - resets_at) < timedelta(seconds=30)
    assert left <= timedelta(days=1)
    assert world.rows("jobs", client.id) == 1


def test_a_full_line_says_so_without_a_time(world: World, client: Client) -> None:
    override(world, client, jobs_waiting=1)
    client.post_job().raise_for_status()

    refused = client.post_job(key="again")

    limit = assert_problem(refused, 429, "queue_full")["limit"]
    assert isinstance(limit, dict)
    assert (limit["quota"], limit["limit"], limit["resets_at"]) == ("jobs_waiting", 1, None)
    assert "retry-after" not in refused.headers
