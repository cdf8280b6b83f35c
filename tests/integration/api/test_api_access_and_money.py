"""Who may ask, what it costs, what can go wrong, and what is ready."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from domain.accounts import service as accounts
from domain.accounts import store as credentials
from domain.accounts.model import AccountKind
from schemas.errors import ErrorCode
from tests.integration.api.api_limits import ADDRESSES
from tests.integration.api.api_world import (
    CLOCK,
    Client,
    World,
    assert_problem,
    job_id_of,
    png,
    serving,
)

READS = ["/v1/jobs", "/v1/jobs/summary", "/v1/balance", "/v1/usage", "/v1/presets", "/v1/jobs/x"]


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer pm_live_0000000000000000_" + "0" * 64,
        "Bearer pm_live_a_b_c",
        "Bearer pm_live_%00_x",
        "Basic cG06eA==",
    ],
)
def test_without_a_valid_key_nothing_is_told(world: World, authorization: str | None) -> None:
    headers = {"X-Forwarded-For": next(ADDRESSES)}
    if authorization is not None:
        headers["Authorization"] = authorization
    for path in READS:
        answer = httpx.get(world.url + path, headers=headers)
        assert_problem(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"].startswith("Bearer")
    for path in ("/v1/uploads", "/v1/jobs", "/v1/jobs/x/cancel", "/v1/jobs/x/retry"):
        answer = httpx.post(world.url + path, headers={"Idempotency-Key": "k", **headers})
        assert_problem(answer, 401, "unauthenticated")


def test_a_key_that_is_no_text_is_not_valid(world: World) -> None:
    answer = httpx.get(f"{world.url}/v1/jobs", headers=[(b"Authorization", b"Bearer \xff\xfe")])

    assert_problem(answer, 401, "unauthenticated")


def test_a_revoked_key_ends_at_once(world: World, client: Client) -> None:
    assert client.http.get("/v1/balance").status_code == 200
    key_id = client.http.headers["authorization"].split("_")[2]
    with world.connect() as conn:
        assert credentials.revoke(conn, client.id, key_id, CLOCK.now())

    assert_problem(client.http.get("/v1/balance"), 401, "unauthenticated")


def test_a_suspended_account_may_read_and_cancel_but_not_ask(world: World, client: Client) -> None:
    answer = client.post_job(key="before")
    job_id = job_id_of(answer)
    upload_id = client.upload(png())
    with world.connect() as conn:
        accounts.suspend(conn, client.id, reason="test", by="test", at=CLOCK.now())

    assert client.http.get(f"/v1/jobs/{job_id}").status_code == 200
    assert client.http.get("/v1/balance").status_code == 200
    assert client.post_job(key="before").json() == answer.json()
    for refused in (
        client.http.post("/v1/uploads"),
        client.post_job(),
        client.post_json({"upload_id": upload_id, "preset": "identity"}),
    ):
        assert_problem(refused, 403, "account_suspended")
    assert client.http.post(f"/v1/jobs/{job_id}/cancel").status_code == 200
    assert_problem(client.http.post(f"/v1/jobs/{job_id}/retry"), 403, "account_suspended")

    with world.connect() as conn:
        accounts.resume(conn, client.id, by="test", at=CLOCK.now())
    assert client.post_job().status_code == 202


def test_an_upload_link_takes_the_size_that_was_said_and_only_for_a_while(client: Client) -> None:
    answer = client.http.post("/v1/uploads", json={"size": 3})
    assert answer.status_code == 201
    made = answer.json()
    assert made["max_bytes"] == 64 * 1024 * 1024
    left = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=58) < left <= timedelta(hours=1)

    assert httpx.put(made["url"], content=b"four").status_code == 403
    assert httpx.put(made["url"], content=b"abc").status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [({"size": 0}, "size"), ({"size": 2**40}, "size"), ({"sise": 1}, "sise"), (3, "body")],
)
def test_a_wrong_upload_is_refused(client: Client, body: object, field: str) -> None:
    problem = assert_problem(client.http.post("/v1/uploads", json=body), 422, "request_invalid")
    assert isinstance(problem["errors"], list)
    assert problem["errors"][0]["field"] == field


def test_a_balance_shows_what_is_held(client: Client) -> None:
    client.post_job(preset="upscale-fast-x4")

    assert client.http.get("/v1/balance").json() == {
        "account_id": client.id,
        "available": 98_000,
        "held": 2_000,
        "unit": "CNY",
    }


def test_usage_adds_up_by_day_and_operation(world: World, client: Client) -> None:
    small = job_id_of(client.post_job(png(10, 10)))
    large = job_id_of(client.post_job(png(20, 10)))
    upscaled = job_id_of(client.post_job(preset="upscale-fast-x4"))
    failed = job_id_of(client.post_job())
    for job_id, code in (
        (small, None),
        (large, None),
        (upscaled, None),
        (failed, ErrorCode.PROCESSING_FAILED),
    ):
        if world.job(job_id).state == "queued":
            world.start(job_id)
        else:
            world.claim(job_id)
        world.finish(job_id, code)
        world.bill(job_id)
    day = str(world.job(small).admitted_at.date())

    usage = client.http.get("/v1/usage").json()

    line = {"day": day, "unit": "CNY"}
    assert usage["days"] == [
        {**line, "operation": "identity", "jobs": 3, "succeeded": 2, "pixels": 300, "amount": 2},
        {**line, "operation": "upscale", "jobs": 1, "succeeded": 1, "pixels": 48, "amount": 2000},
    ]
    assert usage["totals"] == [
        {"unit": "CNY", "jobs": 4, "succeeded": 3, "pixels": 348, "amount": 2002}
    ]
    assert client.http.get(f"/v1/usage?from={day}&to={day}").json()["days"] == usage["days"]
    earlier = client.http.get("/v1/usage?from=2020-01-01&to=2020-02-01").json()
    assert earlier == {"from": "2020-01-01", "to": "2020-02-01", "days": [], "totals": []}
    assert world.client().http.get("/v1/usage").json()["days"] == []


@pytest.mark.parametrize(
    "query",
    [
        "from=yesterday",
        "from=2026-01-02&to=2026-01-01",
        "from=2024-01-01&to=2026-01-01",
        "from=0001-01-01&to=9999-12-31",
        "from=9999-12-31&to=9999-12-31",
    ],
)
def test_a_period_that_makes_no_sense_is_refused(client: Client, query: str) -> None:
    assert_problem(client.http.get(f"/v1/usage?{query}"), 422, "request_invalid")


def test_the_first_days_of_time_can_be_asked_for(client: Client) -> None:
    assert client.http.get("/v1/usage?to=0001-01-03").json()["from"] == "0001-01-01"


def test_every_error_is_listed_with_its_remedy_in_either_language(world: World) -> None:
    english = httpx.get(f"{world.url}/v1/errors")
    chinese = httpx.get(f"{world.url}/v1/errors", headers={"Accept-Language": "zh-CN, en;q=0.5"})

    assert [entry["code"] for entry in english.json()["errors"]] == [*ErrorCode]
    assert english.headers["content-language"] == "en"
    assert chinese.headers["content-language"] == "zh-CN"
    for entry in english.json()["errors"]:
        assert 400 <= entry["status"] < 600
        assert entry["remedy"].isascii()
    assert not any(entry["title"].isascii() for entry in chinese.json()["errors"])


def test_problems_come_in_the_language_that_is_asked_for(world: World) -> None:
    answer = httpx.get(f"{world.url}/v1/balance", headers={"Accept-Language": "zh"})

    assert answer.headers["content-language"] == "zh-CN"
    assert not str(assert_problem(answer, 401, "unauthenticated")["title"]).isascii()


def test_presets_come_with_prices_and_limits(client: Client) -> None:
    presets = {
        preset["name"]: preset for preset in client.http.get("/v1/presets").json()["presets"]
    }

    assert presets["upscale-photo-x4"]["price"] == {
        "amount": 2000,
        "unit": "CNY",
        "per": "megapixel",
    }
    assert presets["identity"]["price"]["per"] == "job"
    assert presets["inpaint"]["takes_mask"] is True
    assert presets["inpaint-alpha"]["takes_mask"] is False


def test_what_is_not_there_and_what_is_not_done_are_problems(client: Client) -> None:
    assert_problem(client.http.get("/v2/jobs"), 404, "not_found")
    assert_problem(client.http.get("/"), 404, "not_found")

    wrong = client.http.delete("/v1/jobs")
    assert_problem(wrong, 405, "method_not_allowed")
    assert wrong.headers["allow"] == "GET, POST"
    assert_problem(client.http.put("/v1/balance"), 405, "method_not_allowed")


def test_the_description_is_served_and_no_page_loads_from_elsewhere(client: Client) -> None:
    assert client.http.get("/v1/openapi.json").json()["info"]["title"] == "picmend"
    assert_problem(client.http.get("/docs"), 404, "not_found")


def test_a_ready_api_says_so(world: World) -> None:
    assert httpx.get(f"{world.url}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{world.url}/readyz").json() == {"status": "ready"}


def test_a_store_that_is_away_is_named_and_costs_no_job(world: World) -> None:
    client = world.client()
    key = client.http.headers["authorization"]
    away = world.settings.model_copy(update={"s3_endpoint": "http://127.0.0.1:9"})
    with serving(away) as served:
        answer = httpx.get(f"{served.url}/readyz", timeout=30)
        assert assert_problem(answer, 503, "service_unavailable")["missing"] == ["object_store"]
        assert httpx.get(f"{served.url}/healthz").status_code == 200
        refused = httpx.post(
            f"{served.url}/v1/jobs",
            data={"preset": "identity"},
            files={"image": ("a.png", png())},
            headers={"Authorization": key, "Idempotency-Key": "k"},
            timeout=30,
        )
        assert_problem(refused, 503, "service_unavailable")
        assert int(refused.headers["retry-after"]) > 0
    assert world.rows("jobs", client.id) == world.rows("idempotency", client.id) == 0
    assert client.post_job(key="k").status_code == 202


def test_a_database_that_is_away_is_named_and_told_as_unavailable(world: World) -> None:
    away = world.settings.model_copy(
        update={"database_url": type(world.settings.database_url)("postgresql://a@127.0.0.1:9/a")}
    )
    with serving(away) as served:
        answer = httpx.get(f"{served.url}/readyz", timeout=30)
        assert assert_problem(answer, 503, "service_unavailable")["missing"] == ["postgres"]
        answer = httpx.get(
            f"{served.url}/v1/balance",
            headers={"Authorization": "Bearer pm_live_aa_bb"},
            timeout=30,
        )
        assert_problem(answer, 503, "service_unavailable")
        assert int(answer.headers["retry-after"]) > 0


def test_what_nobody_foresaw_is_a_problem_that_tells_nothing_of_the_inside(world: World) -> None:
    with world.connect() as conn:
        # An account whose ledger was never opened: enrolment does both, so this cannot be.
        _, key = accounts.create(
            conn, name="Half", kind=AccountKind.COMPANY, unit="CNY", at=CLOCK.now()
        )

    answer = world.http(str(key)).get("/v1/balance")

    assert_problem(answer, 500, "internal_error")
    assert answer.headers["ratelimit-policy"] == '"default";q=100;w=2'
    assert "ledger" not in answer.text
    assert httpx.get(f"{world.url}/healthz").status_code == 200


def test_a_file_over_the_cap_is_refused_while_it_is_read(world: World) -> None:
    client = world.client()
    small = world.settings.model_copy(update={"max_image_bytes": 10_000})
    with serving(small) as served:
        for image in (bytes(10_001), bytes(1_000_000)):
            answer = httpx.post(
                f"{served.url}/v1/jobs",
                data={"preset": "identity"},
                files={"image": ("a.png", image)},
                headers={
                    "Authorization": client.http.headers["authorization"],
                    "Idempotency-Key": "k",
                },
            )
            assert_problem(answer, 413, "file_too_large")
    assert world.staged(client.id) == []
