"""`picmend account` and `picmend jobs`, on the servers that the API works with."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from minio import Minio
from minio.error import S3Error
from typer.testing import CliRunner

from schemas.errors import ErrorCode
from tests.integration.api.api_world import Client, World, assert_problem, job_id_of

if TYPE_CHECKING:
    from typer.testing import Result

    from infra.stack import Stack

Command = Callable[..., "Result"]


@pytest.fixture
def picmend(stack: Stack, world: World) -> Command:
    """Run `picmend account …` or `picmend jobs …` on these tests' database and bucket."""
    # Imported here: settings of the stack come with Kafka's client, which warns when imported.
    from cli import account, jobs  # noqa: PLC0415

    apps = {"account": account.app, "jobs": jobs.app}
    environment = {
        **stack.environment,
        "PICMEND_DATABASE_URL": world.settings.database_url.get_secret_value(),
        "PICMEND_BUCKET": world.bucket.name,
        "COLUMNS": "200",
    }

    def run(app: str, *arguments: str, **more: str) -> Result:
        return CliRunner().invoke(apps[app], list(arguments), env={**environment, **more})

    return run


def told(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def create(picmend: Command, *options: str) -> Any:
    return told(picmend("account", "create", "--name", "A client", "--json", *options))


def put(account: Any, key: str) -> None:
    own = account["object_store"]
    client = Minio(
        own["endpoint"].removeprefix("http://"),
        access_key=own["access_key"],
        secret_key=own["secret_key"],
        region=own["region"],
        secure=False,
    )
    client.put_object(own["bucket"], key, io.BytesIO(b"x"), 1)


def test_a_new_account_can_use_the_api_and_its_own_prefix(world: World, picmend: Command) -> None:
    made = create(picmend, "--kind", "company", "--top-up", "12.5")

    balance = world.http(made["api_key"]).get("/v1/balance").json()
    assert balance["account_id"] == made["account_id"]
    assert balance["available"] == 125_000
    put(made, f"in/{made['account_id']}/identity/a.png")
    with pytest.raises(S3Error, match="Access"):
        put(made, "in/acc_other/identity/a.png")


def test_an_account_is_made_on_a_plan_and_in_a_time_zone(picmend: Command) -> None:
    made = create(picmend, "--plan", "free", "--time-zone", "Europe/London")
    usual = create(picmend)

    shown = [
        told(picmend("account", "show", each["account_id"], "--json")) for each in (made, usual)
    ]
    assert [(each["plan"], each["time_zone"]) for each in shown] == [
        ("free", "Europe/London"),
        ("standard", "Asia/Shanghai"),
    ]


def test_people_read_the_same_as_programs(picmend: Command) -> None:
    shown = picmend("account", "create", "--name", "[bold]Ann[/bold]")

    assert shown.exit_code == 0, shown.output
    assert "[bold]Ann[/bold]" in shown.stdout
    assert "pm_live_" in shown.stdout
    assert "secret key" in shown.stdout


@pytest.mark.parametrize(
    "wrong",
    [
        ("--top-up", "a lot"),
        ("--top-up", "-1"),
        ("--top-up", "0.00001"),
        ("--kind", "state"),
        ("--name", ""),
        ("--name", "a\nb"),
    ],
)
def test_an_account_called_wrongly_is_not_made(picmend: Command, wrong: tuple[str, str]) -> None:
    before = len(told(picmend("account", "list", "--json"))["accounts"])

    assert picmend("account", "create", "--name", "A client", *wrong).exit_code == 2
    assert len(told(picmend("account", "list", "--json"))["accounts"]) == before


def test_without_the_store_the_account_is_made_and_the_way_on_is_told(
    world: World, picmend: Command
) -> None:
    away = {"PICMEND_IAM_ENDPOINT": "http://127.0.0.1:9"}

    refused = picmend("account", "create", "--name", "A client", "--json", **away)

    assert refused.exit_code == 3
    made = json.loads(refused.stdout)
    assert made["object_store"] is None
    assert f"picmend account credentials {made['account_id']}" in refused.stderr
    assert world.http(made["api_key"]).get("/v1/balance").status_code == 200
    later = told(picmend("account", "credentials", made["account_id"], "--json"))
    put(later, f"in/{made['account_id']}/identity/a.png")


def test_new_object_store_credentials_end_the_old_ones(picmend: Command) -> None:
    made = create(picmend)
    account = made["account_id"]

    renewed = told(picmend("account", "credentials", account, "--json"))

    put(renewed, f"in/{account}/identity/a.png")
    with pytest.raises(S3Error):
        put(made, f"in/{account}/identity/a.png")
    shown = told(picmend("account", "show", account, "--json"))
    stored = [c for c in shown["credentials"] if c["kind"] == "object_store"]
    assert [c["revoked_at"] is None for c in stored] == [False, True]


def test_either_kind_of_credential_can_be_revoked(world: World, picmend: Command) -> None:
    made = create(picmend)
    account = made["account_id"]
    second = told(picmend("account", "key", account, "--json"))["api_key"]

    told(picmend("account", "revoke", account, made["api_key"].split("_")[2], "--json"))
    told(picmend("account", "revoke", account, made["object_store"]["access_key"], "--json"))

    refused = httpx.get(
        f"{world.url}/v1/balance", headers={"Authorization": f"Bearer {made['api_key']}"}
    )
    assert_problem(refused, 401, "unauthenticated")
    assert world.http(second).get("/v1/balance").status_code == 200
    with pytest.raises(S3Error):
        put(made, f"in/{account}/identity/a.png")
    assert picmend("account", "revoke", account, "nothing").exit_code == 1


def test_a_suspended_account_shows_why_and_can_be_resumed(picmend: Command, client: Client) -> None:
    told(picmend("account", "suspend", client.id, "--reason", "too loud", "--json"))
    assert_problem(client.post_job(), 403, "account_suspended")
    shown = told(picmend("account", "show", client.id, "--json"))
    assert (shown["state"], shown["suspended_for"]) == ("suspended", "too loud")
    assert "too loud" in picmend("account", "show", client.id).stdout

    told(picmend("account", "resume", client.id, "--json"))
    assert client.post_job().status_code == 202


@pytest.mark.parametrize("command", ["show", "resume", "key", "credentials"])
def test_an_account_that_is_not_there_is_named(picmend: Command, command: str) -> None:
    missing = picmend("account", command, "acc_missing")

    assert missing.exit_code == 1
    assert "acc_missing" in missing.stderr


def test_jobs_are_listed_shown_and_cancelled(
    world: World, picmend: Command, client: Client
) -> None:
    job_id = job_id_of(client.post_job())

    listed = told(picmend("jobs", "list", "--account", client.id, "--state", "queued", "--json"))
    assert [job["id"] for job in listed["jobs"]] == [job_id]
    assert job_id in picmend("jobs", "list", "--account", client.id).stdout
    assert told(picmend("jobs", "show", job_id, "--json"))["amount"] == 1
    assert "identity" in picmend("jobs", "show", job_id).stdout
    none = told(picmend("jobs", "list", "--account", client.id, "--prefix", "in/", "--json"))
    assert none == {"jobs": [], "more": False}

    assert told(picmend("jobs", "cancel", job_id, "--json"))["state"] == "cancelled"
    running = job_id_of(client.post_job())
    world.start(running)
    assert "asked to stop" in picmend("jobs", "cancel", running).stdout
    world.finish(running)
    assert picmend("jobs", "cancel", running).exit_code == 1
    assert picmend("jobs", "show", "job_x").exit_code == 1


def test_all_jobs_that_ended_with_a_code_are_tried_again_once(
    world: World, picmend: Command, client: Client
) -> None:
    failed = [job_id_of(client.post_job()) for _ in range(3)]
    for job_id, code in zip(
        failed,
        (ErrorCode.PROCESSING_FAILED, ErrorCode.PROCESSING_FAILED, ErrorCode.TRUNCATED_IMAGE),
        strict=True,
    ):
        if world.job(job_id).state == "queued":
            world.start(job_id)
        else:
            world.claim(job_id)
        world.finish(job_id, code)
    retry = ("jobs", "retry", "--account", client.id, "--json")

    first = told(picmend(*retry, "--code", "processing_failed"))
    assert sorted(first["retried"]) == sorted(failed[:2])
    assert told(picmend(*retry, "--code", "processing_failed"))["retried"] == {}
    named = told(picmend(*retry, failed[2]))
    assert [*named["retried"]] == [failed[2]]
    assert world.job(named["retried"][failed[2]]).retry_of == failed[2]

    waiting = picmend(*retry, named["retried"][failed[2]])
    assert waiting.exit_code == 1
    assert json.loads(waiting.stdout)["retried"] == {}
    assert picmend(*retry).exit_code == 2
    assert picmend(*retry, world.client().id).exit_code == 1
