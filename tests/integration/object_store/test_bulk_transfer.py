"""`picmend upload` and `picmend download` with an account's own key, on the real store."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cli.transfer import download, upload
from infra.local_etag import local_etag
from infra.object_credentials import AccessKey
from infra.object_credentials import from_settings as credentials_from_settings
from infra.object_store import PART_BYTES, S3ObjectStore, from_settings
from infra.settings import Settings
from infra.stack import Stack
from infra.stack.isolation import Bucket
from schemas import keys, problems
from schemas.errors import ErrorCode
from schemas.ids import AccountId, new_account_id, object_job_id

PRESET = "upscale-fast-x4"

app = typer.Typer()
app.command()(upload)
app.command()(download)


@dataclass(frozen=True)
class Client:
    """An account, its key, and the environment that its commands run in."""

    account: AccountId
    environment: dict[str, str]

    def run(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        done = CliRunner().invoke(app, [*arguments, "--json"], env=self.environment)
        assert done.exit_code == code, done.output
        report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return report

    def fail(self, *arguments: str, code: int) -> str:
        done = CliRunner().invoke(app, list(arguments), env=self.environment)
        assert done.exit_code == code, done.output
        return done.output

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "cli.main", *arguments]
        return subprocess.Popen(  # noqa: S603 - our own command
            command, env=os.environ | self.environment, stderr=subprocess.PIPE
        )

    def input_key(self, name: str) -> str:
        return keys.input_key(self.account, PRESET, name)


@pytest.fixture
def store_settings(stack: Stack, bucket: Bucket) -> Settings:
    return stack.settings().model_copy(update={"bucket": bucket.name})


@pytest.fixture
def root(store_settings: Settings) -> Iterator[S3ObjectStore]:
    store = from_settings(store_settings)
    yield store
    store.close()


@pytest.fixture
def client(store_settings: Settings) -> Iterator[Client]:
    account = new_account_id()
    credentials = credentials_from_settings(store_settings)
    key = credentials.issue(account)
    yield Client(account, environment_of(store_settings, account, key))
    credentials.revoke(account)


def environment_of(settings: Settings, account: AccountId, key: AccessKey) -> dict[str, str]:
    return {
        "PICMEND_ACCOUNT": account,
        "PICMEND_ACCESS_KEY": key.access_key,
        "PICMEND_SECRET_KEY": key.secret_key,
        "PICMEND_S3_ENDPOINT": settings.s3_endpoint,
        "PICMEND_BUCKET": settings.bucket,
    }


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name in ("cat.png", "summer 2026/a+b 100%.jpg", "照片/小猫.webp"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode() * 100)
    return folder


def stored(root: S3ObjectStore, prefix: str) -> dict[str, str]:
    return {each.key: each.etag for page in root.list(prefix) for each in page}


def end_with_result(root: S3ObjectStore, client: Client, name: str) -> None:
    """Put what a worker puts when a job has succeeded."""
    key = client.input_key(name)
    source = keys.parse_upload_key(key)
    assert isinstance(source, keys.UploadKey)
    job = object_job_id(root.bucket, key, root.head(key).etag)
    root.put(keys.result_key(source, job, "png"), f"restored {name}".encode(), "image/png")


def end_with_problem(root: S3ObjectStore, client: Client, name: str) -> None:
    """Put what is put when a job was refused."""
    key = client.input_key(name)
    job = object_job_id(root.bucket, key, root.head(key).etag)
    problem = problems.problem_file(ErrorCode.UNREADABLE_IMAGE, detail="no picture")
    root.put(keys.problem_key(key, job), problem.encode(), problems.MEDIA_TYPE)


def test_a_folder_is_uploaded_once(client: Client, photos: Path, root: S3ObjectStore) -> None:
    first = client.run("upload", str(photos), "--preset", PRESET)
    assert (first["sent"], first["skipped"], first["failed"]) == (3, 0, [])
    names = ["cat.png", "summer 2026/a+b 100%.jpg", "照片/小猫.webp"]
    expected = {client.input_key(name): local_etag(photos / name) for name in names}
    assert stored(root, "in/") == expected
    again = client.run("upload", str(photos), "--preset", PRESET)
    assert (again["sent"], again["skipped"]) == (0, 3)
    assert sorted(again["waiting"]) == names


def test_a_changed_file_is_sent_again_even_at_the_same_size(client: Client, photos: Path) -> None:
    client.run("upload", str(photos), "--preset", PRESET)
    data = (photos / "cat.png").read_bytes()
    (photos / "cat.png").write_bytes(data[::-1])
    again = client.run("upload", str(photos), "--preset", PRESET)
    assert (again["sent"], again["skipped"]) == (1, 2)


def test_a_file_of_40_mib_goes_in_three_parts_and_is_recognised(
    client: Client, tmp_path: Path, root: S3ObjectStore
) -> None:
    folder = tmp_path / "large"
    folder.mkdir()
    block = bytes(range(256)) * 4096
    (folder / "big 照.png").write_bytes(b"".join(bytes([n]) + block for n in range(40)))
    assert (folder / "big 照.png").stat().st_size > 2 * PART_BYTES
    assert client.run("upload", str(folder), "--preset", PRESET)["sent"] == 1
    found = root.head(client.input_key("big 照.png"))
    assert found.etag == local_etag(folder / "big 照.png")
    assert found.etag.endswith("-3")
    assert client.run("upload", str(folder), "--preset", PRESET)["skipped"] == 1


def test_files_that_cannot_be_uploads_are_reported_and_the_rest_goes_on(
    client: Client, photos: Path
) -> None:
    (photos / "a\\b.png").write_bytes(b"x")
    (photos / ".DS_Store").write_bytes(b"x")
    report = client.run("upload", str(photos), "--preset", PRESET, code=1)
    assert report["sent"] == 3
    assert [each["name"] for each in report["failed"]] == ["a\\b.png"]


def wait_for(condition: Callable[[], bool], within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "not within its time"


@pytest.mark.parametrize(("how", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_an_interrupted_upload_goes_on_where_it_was(
    client: Client, tmp_path: Path, root: S3ObjectStore, how: signal.Signals, code: int
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    count = 1000
    for number in range(count):
        (folder / f"{number:04}.png").write_bytes(number.to_bytes(2) * 20_000)
    prefix = client.input_key("")
    process = client.start("upload", str(folder), "--preset", PRESET, "--parallel", "1")
    wait_for(lambda: len(stored(root, prefix)) >= 20)
    process.send_signal(how)
    process.communicate(timeout=60)
    assert process.returncode == code
    there = len(stored(root, prefix))
    assert 20 <= there < count
    report = client.run("upload", str(folder), "--preset", PRESET)
    # A store may finish what a killed client had sent it whole.
    assert there <= report["skipped"] <= there + 2
    assert report["sent"] + report["skipped"] == count
    assert len(stored(root, prefix)) == count


def test_waiting_ends_when_every_upload_has_a_result_or_a_problem(
    client: Client, photos: Path, root: S3ObjectStore
) -> None:
    client.run("upload", str(photos), "--preset", PRESET)
    end_with_result(root, client, "cat.png")
    end_with_problem(root, client, "照片/小猫.webp")
    late = threading.Timer(1, end_with_result, (root, client, "summer 2026/a+b 100%.jpg"))
    late.start()
    report = client.run("upload", str(photos), "--preset", PRESET, "--wait", code=1)
    late.join()
    assert (report["results"], report["waiting"]) == (2, [])
    (refused,) = report["refused"]
    assert refused["name"] == "照片/小猫.webp"
    assert (refused["code"], refused["detail"]) == ("unreadable_image", "no picture")
    assert refused["remedy"]


def test_waiting_for_longer_than_the_timeout_is_told(client: Client, photos: Path) -> None:
    options = ("--preset", PRESET, "--wait", "--timeout", "0.1")
    assert len(client.run("upload", str(photos), *options, code=1)["waiting"]) == 3


def test_results_and_problems_are_downloaded_once(
    client: Client, photos: Path, root: S3ObjectStore, tmp_path: Path
) -> None:
    client.run("upload", str(photos), "--preset", PRESET)
    end_with_result(root, client, "cat.png")
    end_with_problem(root, client, "照片/小猫.webp")
    folder = tmp_path / "results"
    first = client.run("download", str(folder))
    assert (first["fetched"], first["skipped"], first["problems"]) == (2, 0, 1)
    (result,) = (folder / PRESET).glob("cat.png.job_*.png")
    assert result.read_bytes() == b"restored cat.png"
    assert len(list((folder / PRESET / "照片").glob("小猫.webp.job_*.problem.json"))) == 1
    result.write_bytes(b"changed or cut o")
    again = client.run("download", str(folder))
    assert (again["fetched"], again["skipped"]) == (1, 1)
    assert result.read_bytes() == b"restored cat.png"
    assert list(folder.rglob("*.part")) == []


def test_a_prefix_chooses_what_is_downloaded(
    client: Client, root: S3ObjectStore, tmp_path: Path
) -> None:
    for name in ("a/1.png", "a/2.png", "b/1.png"):
        root.put(f"out/{client.account}/{name}", name.encode(), "image/png")
    assert client.run("download", str(tmp_path), "--prefix", "a/")["fetched"] == 2
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["1.png", "2.png"]
    assert not (tmp_path / "b").exists()


def test_a_large_result_put_at_once_is_downloaded_once(
    client: Client, root: S3ObjectStore, tmp_path: Path
) -> None:
    data = bytes(PART_BYTES) + b"rest"
    root.put(f"out/{client.account}/x4/big.png", data, "image/png")
    assert client.run("download", str(tmp_path))["fetched"] == 1
    assert (tmp_path / "x4/big.png").read_bytes() == data
    assert client.run("download", str(tmp_path))["skipped"] == 1


def test_a_file_in_the_way_of_a_folder_is_told_and_the_rest_goes_on(
    client: Client, root: S3ObjectStore, tmp_path: Path
) -> None:
    for name in ("a/1.png", "b/1.png"):
        root.put(f"out/{client.account}/{name}", b"x", "image/png")
    (tmp_path / "a").write_bytes(b"a file")
    report = client.run("download", str(tmp_path), code=1)
    assert report["fetched"] == 1
    assert [each["name"] for each in report["failed"]] == ["a/1.png"]


def test_a_neighbours_account_is_refused(client: Client, photos: Path) -> None:
    arguments = (str(photos), "--account", "acc_other")
    assert "refuses" in client.fail("upload", *arguments, "--preset", PRESET, code=3)
    assert "refuses" in client.fail("download", *arguments, code=3)


@pytest.mark.parametrize(
    "arguments",
    [
        ("upload", "{folder}"),
        ("upload", "{folder}/nothing", "--preset", PRESET),
        ("upload", "{folder}", "--preset", PRESET, "--endpoint", "localhost"),
        ("upload", "{folder}", "--preset", PRESET, "--parallel", "0"),
    ],
    ids=["no preset", "no folder", "no address", "no threads"],
)
def test_a_wrong_call_is_told(client: Client, photos: Path, arguments: tuple[str, ...]) -> None:
    client.fail(*(each.format(folder=photos) for each in arguments), code=2)


def test_the_report_for_people_names_what_was_refused(
    client: Client, photos: Path, root: S3ObjectStore
) -> None:
    client.run("upload", str(photos), "--preset", PRESET)
    end_with_problem(root, client, "cat.png")
    text = client.fail("upload", str(photos), "--preset", PRESET, code=1)
    assert "0 uploaded, 3 already there" in text
    assert "unreadable_image" in text
    assert "0 with a result, 1 refused, 2 under way" in text
