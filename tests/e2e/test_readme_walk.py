"""What the README tells a newcomer to type, typed: the commands, in that order."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.stack import Running
from tests.e2e.customer import opened, picture

PHOTOS = {"one.png": (40, 30), "夏天/two 2.png": (30, 40)}


@pytest.fixture
def environment(system: Running) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PICMEND_")}
    return {**kept, "PICMEND_DATA_DIR": system.environment["PICMEND_DATA_DIR"]}


def picmend(
    *words: str, env: Mapping[str, str], cwd: Path, status: int = 0
) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("picmend")), *words]
    done = subprocess.run(  # noqa: S603 - our own command
        command, env=env, cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, (words, done.stdout, done.stderr)
    return done


def answer(*words: str, env: Mapping[str, str], cwd: Path, status: int = 0) -> Any:
    """Return what a command prints with --json."""
    return json.loads(picmend(*words, "--json", env=env, cwd=cwd, status=status).stdout)


def test_an_account_a_folder_up_and_down_and_one_photo_by_curl(
    system: Running, environment: dict[str, str], tmp_path: Path
) -> None:
    made = answer(
        "account", "create", "--name", "Ada", "--top-up", "100.00", env=environment, cwd=tmp_path
    )
    account = made["account_id"]
    client = {
        **environment,
        "PICMEND_ACCOUNT": account,
        "PICMEND_ACCESS_KEY": made["object_store"]["access_key"],
        "PICMEND_SECRET_KEY": made["object_store"]["secret_key"],
    }
    for name, (width, height) in PHOTOS.items():
        photo = tmp_path / "photos" / name
        photo.parent.mkdir(parents=True, exist_ok=True)
        photo.write_bytes(picture(width, height))
    (tmp_path / "photos" / "notes.png").write_text("not a photo")

    sent = picmend(
        "upload", "photos/", "--preset", "upscale-fast-x4", "--wait", "--timeout", "60",
        env=client, cwd=tmp_path, status=1,
    )  # fmt: skip
    assert "unreadable_image" in sent.stdout + sent.stderr
    picmend("download", "restored/", env=client, cwd=tmp_path)
    results = list((tmp_path / "restored").rglob("*.png"))
    assert sorted(opened(path.read_bytes()).size for path in results) == [(120, 160), (160, 120)]

    photo = tmp_path / "photos" / "one.png"
    with photo.open("rb") as body:
        posted = httpx.post(
            f"{system.api_url}/v1/jobs",
            headers={
                "Authorization": f"Bearer {made['api_key']}",
                "Idempotency-Key": "readme",
                "Prefer": "wait=60",
            },
            data={"preset": "upscale-fast-x4"},
            files={"image": body},
            timeout=90,
        )
    assert posted.json()["state"] == "succeeded", posted.text

    status = answer("status", env=environment, cwd=tmp_path)
    assert status["jobs"]["succeeded"] >= 3
    assert answer("ledger", "check", env=environment, cwd=tmp_path)["findings"] == []
    balance = answer("ledger", "balance", account, env=environment, cwd=tmp_path)
    assert (balance["available"], balance["held"]) == (1_000_000 - 3 * 2000, 0)
    listed = answer("jobs", "list", "--account", account, env=environment, cwd=tmp_path)
    assert sorted(job["state"] for job in listed["jobs"]) == ["rejected", *["succeeded"] * 3]
    picmend("dlq", "list", env=environment, cwd=tmp_path)
    picmend("doctor", env=environment, cwd=tmp_path)
