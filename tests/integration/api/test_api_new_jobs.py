"""New jobs by request: taken, refused without a trace, and never made twice."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest

from schemas.states import JobState
from tests.integration.api.api_world import Client, World, assert_problem, job_id_of, png


def test_a_picture_in_a_form_becomes_a_queued_job_with_a_price(
    world: World, client: Client
) -> None:
    answer = client.post_job(png(1200, 1000), preset="upscale-fast-x4")

    assert answer.status_code == 202
    body = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{body['id']}"
    assert body["state"] == "queued"
    assert body["price"] == {"amount": 4000, "unit": "CNY", "charged": None}
    assert body["source"] | {"key": "", "size": 0} == {
        "key": "",
        "size": 0,
        "format": "png",
        "width": 1200,
        "height": 1000,
    }
    assert body["parameters"] == {
        "operation": "upscale",
        "model": "fast",
        "factor": 4,
        "format": "auto",
        "quality": None,
        "subsampling": "444",
        "target_bytes": None,
        "metadata": "drop",
    }
    assert world.staged(client.id) == [body["source"]["key"]]


def test_a_picture_put_to_a_link_becomes_a_job_pinned_to_its_etag(
    world: World, client: Client
) -> None:
    upload_id = client.upload(png(colour=1))

    answer = client.post_json(
        {"upload_id": upload_id, "operation": "upscale", "parameters": {"model": "anime"}}
    )

    assert answer.status_code == 202
    job = world.job(job_id_of(answer))
    stored = world.bucket.client.stat_object(world.bucket.name, job.source.key)
    assert job.source.key == f"staged/{client.id}/{upload_id}"
    assert job.source.etag == (stored.etag or "").strip('"')


def test_a_mask_comes_along_in_a_form_or_by_upload_id(world: World, client: Client) -> None:
    sent = client.http.post(
        "/v1/jobs",
        data={"operation": "inpaint", "parameters": '{"mask": "file"}'},
        files={"image": ("a.png", png()), "mask": ("m.png", png(mode="L"))},
        headers={"Idempotency-Key": "form"},
    )
    named = client.post_json(
        {
            "upload_id": client.upload(png()),
            "mask_upload_id": client.upload(png(mode="L")),
            "preset": "inpaint",
        }
    )

    for answer in (sent, named):
        assert answer.status_code == 202, answer.text
        mask = world.job(job_id_of(answer)).mask
        assert mask is not None
        assert mask.key in world.staged(client.id)


def test_the_same_request_again_has_the_same_answer_and_makes_nothing(
    world: World, client: Client
) -> None:
    first = client.post_job(png(), key="k")
    again = client.post_job(png(), key="k")

    assert again.status_code == 202
    assert again.json() == first.json()
    assert world.rows("jobs", client.id) == 1
    assert len(world.staged(client.id)) == 1


def test_the_same_json_again_has_the_same_answer_even_when_the_upload_is_gone(
    world: World, client: Client
) -> None:
    upload_id = client.upload(png())
    body = {"upload_id": upload_id, "preset": "identity"}
    first = client.post_json(body, key="k")
    world.bucket.client.remove_object(world.bucket.name, f"staged/{client.id}/{upload_id}")

    again = client.post_json({"preset": "identity", "upload_id": upload_id}, key="k")

    assert again.json() == first.json()


def test_the_same_key_with_another_request_is_a_conflict(world: World, client: Client) -> None:
    client.post_job(png(), key="k")

    assert_problem(client.post_job(png(9, 9), key="k"), 422, "idempotency_conflict")
    other = client.post_job(png(), key="k", preset="upscale-fast-x4")
    assert_problem(other, 422, "idempotency_conflict")
    assert world.rows("jobs", client.id) == 1
    assert len(world.staged(client.id)) == 1


def test_two_accounts_may_use_the_same_key(world: World, client: Client) -> None:
    assert client.post_job(key="k").json()["id"] != world.client().post_job(key="k").json()["id"]


def test_ten_requests_at_once_with_one_key_make_one_job_and_equal_answers(
    world: World, client: Client
) -> None:
    picture = png(300, 200)
    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda _: client.post_job(picture, key="k"), range(10)))

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    assert world.rows("jobs", client.id) == 1
    assert world.rows("holds", client.id) == 1
    assert world.staged(client.id) == [answers[0].json()["source"]["key"]]


def test_what_cannot_be_paid_leaves_nothing_and_its_key_works_after_a_top_up(world: World) -> None:
    poor = world.client(balance=1999)

    refused = poor.post_job(key="k", preset="upscale-fast-x4")

    assert_problem(refused, 402, "insufficient_balance")
    for table in ("jobs", "idempotency", "holds"):
        assert world.rows(table, poor.id) == 0
    assert world.staged(poor.id) == []

    world.top_up(poor, 1)
    assert poor.post_job(key="k", preset="upscale-fast-x4").status_code == 202


@pytest.mark.parametrize(
    ("image", "fields", "answer"),
    [
        (b"not a picture at all", {"preset": "identity"}, (422, "unreadable_image")),
        (b"\0\0\1\0" + bytes(100), {"preset": "identity"}, (415, "unsupported_format")),
        (png()[:20], {"preset": "identity"}, (422, "truncated_image")),
        (png(9000, 1), {"preset": "upscale-fast-x4"}, (422, "image_too_large")),
        (png(), {"preset": "nothing-like-it"}, (422, "preset_unknown")),
        (png(), {"preset": "inpaint"}, (422, "mask_missing")),
        (png(), {"preset": "inpaint-alpha"}, (422, "alpha_missing")),
    ],
)
def test_a_picture_that_cannot_be_restored_is_refused_at_once(
    world: World, client: Client, image: bytes, fields: dict[str, str], answer: tuple[int, str]
) -> None:
    assert_problem(client.post_job(image, fields=fields), *answer)
    assert world.rows("jobs", client.id) == 0
    assert world.staged(client.id) == []


def test_an_empty_upload_is_refused_and_one_that_is_not_there_is_named(client: Client) -> None:
    empty = client.post_json({"upload_id": client.upload(b""), "preset": "identity"})
    assert_problem(empty, 422, "empty_object")

    absent = client.post_json({"upload_id": "upl_" + "a" * 32, "preset": "identity"})
    body = assert_problem(absent, 422, "upload_missing")
    assert body["errors"] == [{"field": "upload_id", "message": "nothing was uploaded under it"}]


def test_an_upload_of_another_account_is_not_there(world: World, client: Client) -> None:
    theirs = world.client().upload(png())

    answer = client.post_json({"upload_id": theirs, "preset": "identity"})

    assert_problem(answer, 422, "upload_missing")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"preset": "identity"}, "upload_id"),
        ({"upload_id": "../../in", "preset": "identity"}, "upload_id"),
        ({"upload_id": "upl_" + "a" * 32}, "body"),
        ({"upload_id": "upl_" + "a" * 32, "preset": "a", "operation": "identity"}, "body"),
        ({"upload_id": "upl_" + "a" * 32, "preset": "a\0b"}, "preset"),
        ({"upload_id": "upl_" + "a" * 32, "preset": "identity", "prest": "x"}, "prest"),
        ({"upload_id": "upl_" + "a" * 32, "operation": "sharpen"}, "operation"),
        ({"upload_id": "upl_" + "a" * 32, "preset": "identity", "expires_at": "1"}, "expires_at"),
        ([1], "body"),
    ],
)
def test_a_wrong_field_is_named(client: Client, body: object, field: str) -> None:
    problem = assert_problem(client.post_json(body), 422, "request_invalid")

    assert isinstance(problem["errors"], list)
    assert [error["field"] for error in problem["errors"]] == [field]


def test_a_wrong_parameter_is_named(client: Client) -> None:
    for parameters in ({"factor": 9}, {"colour": 1}, {"model": "a\0"}):
        body = {"upload_id": "upl_" + "a" * 32, "operation": "upscale", "parameters": parameters}
        problem = assert_problem(client.post_json(body), 422, "parameters_invalid")
        assert isinstance(problem["errors"], list)
        assert problem["errors"][0]["field"] == f"parameters.{next(iter(parameters))}"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"preset": "identity", "colour": "red"}, "colour"),
        ({"operation": "upscale", "parameters": "{"}, "parameters"),
        ({"operation": "upscale", "parameters": "[1]"}, "parameters"),
        ({"preset": "a\0b"}, "preset"),
        ({"preset": "identity", "expires_at": "tomorrow"}, "expires_at"),
    ],
)
def test_a_wrong_field_of_a_form_is_named(
    client: Client, fields: dict[str, str], field: str
) -> None:
    answer = client.post_job(fields=fields)

    problem = assert_problem(answer, 422, "request_invalid")
    assert isinstance(problem["errors"], list)
    assert problem["errors"][0]["field"] == field


def test_a_form_without_a_picture_or_with_one_as_text_is_refused(client: Client) -> None:
    headers = {"Idempotency-Key": "k"}
    without = client.http.post(
        "/v1/jobs", data={"preset": "identity"}, files={"mask": ("m", png())}, headers=headers
    )
    as_text = client.http.post(
        "/v1/jobs", files={"image": (None, "text"), "preset": (None, "identity")}, headers=headers
    )
    for answer in (without, as_text):
        problem = assert_problem(answer, 422, "request_invalid")
        assert isinstance(problem["errors"], list)
        assert problem["errors"][0]["field"] == "image"


@pytest.mark.parametrize(
    ("content", "content_type", "code"),
    [
        (b"{", "application/json", "request_invalid"),
        (b'{"preset": "\\ud800"}', "application/json", "request_invalid"),
        (b"\xff\xfe", "application/json", "request_invalid"),
        (b"{}", "text/plain", "request_invalid"),
        (b"--x\r\n", "multipart/form-data", "request_invalid"),
        (b"nothing", "multipart/form-data; boundary=x", "request_invalid"),
    ],
)
def test_a_body_that_is_not_understood_is_a_problem(
    client: Client, content: bytes, content_type: str, code: str
) -> None:
    answer = client.http.post(
        "/v1/jobs",
        content=content,
        headers={"Idempotency-Key": "k", "Content-Type": content_type},
    )
    assert_problem(answer, 422, code)


def test_json_over_its_cap_is_refused(client: Client) -> None:
    assert_problem(client.post_json({"preset": "x" * 70_000}), 413, "file_too_large")


def test_a_key_is_needed_and_must_be_printable(client: Client) -> None:
    missing = client.http.post("/v1/jobs", json={})
    assert_problem(missing, 400, "idempotency_key_missing")

    too_long = client.post_json({}, key="k" * 256)
    assert_problem(too_long, 422, "request_invalid")
    odd = client.http.post("/v1/jobs", json={}, headers=[(b"Idempotency-Key", b"\xe4")])
    assert_problem(odd, 422, "request_invalid")


def test_an_expiry_is_kept_if_it_lies_ahead_within_the_lifetime_of_jobs(
    world: World, client: Client
) -> None:
    now = datetime.now(UTC)
    soon = now + timedelta(hours=1)
    taken = client.post_job(preset="identity", expires_at=soon.isoformat())
    assert world.job(job_id_of(taken)).expires_at == soon

    for wrong in (now - timedelta(seconds=1), now + timedelta(days=8)):
        refused = client.post_job(preset="identity", expires_at=wrong.isoformat())
        problem = assert_problem(refused, 422, "request_invalid")
        assert isinstance(problem["errors"], list)
        assert problem["errors"][0]["field"] == "expires_at"


def test_an_ended_job_asked_for_again_is_shown_as_ended(world: World, client: Client) -> None:
    job_id = job_id_of(client.post_job(png(), key="k"))
    world.start(job_id)
    world.finish(job_id)

    again = client.post_job(png(), key="k")

    assert again.status_code == 200
    assert again.json()["state"] == JobState.SUCCEEDED


def test_the_body_of_a_stranger_is_not_read(world: World) -> None:
    answer = httpx.post(
        f"{world.url}/v1/jobs",
        headers={"Idempotency-Key": str(uuid4()), "Content-Length": "1000000"},
        content=b"x" * 1_000_000,
    )
    assert_problem(answer, 401, "unauthenticated")
