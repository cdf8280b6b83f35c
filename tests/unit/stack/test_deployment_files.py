import importlib.util
import json
import re
import tomllib
from pathlib import Path
from typing import cast

import pytest
import yaml

from cli.processes import LONGEST_S, PROCESS_NAMES
from infra.stack import docker
from infra.stack.stack import settings_of

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docker-compose.yml").read_text()
DOCUMENT = cast("dict[str, dict[str, dict[str, object]]]", yaml.safe_load(TEXT))
SERVICES = DOCUMENT["services"]
ONE_SHOT = {"migrate", "bucket"}


def environment(service: str) -> dict[str, str]:
    return cast("dict[str, str]", SERVICES[service]["environment"])


def test_the_whole_system_is_there() -> None:
    servers = {"kafka", "postgres", "store"}
    assert set(SERVICES) == servers | ONE_SHOT | {"api", "streams", "worker"}


def test_servers_are_the_images_that_the_docker_provider_runs() -> None:
    assert SERVICES["kafka"]["image"] == docker.KAFKA_IMAGE
    assert SERVICES["postgres"]["image"] == docker.POSTGRES_IMAGE
    assert SERVICES["store"]["image"] == docker.STORE_IMAGE


def test_images_are_pinned() -> None:
    for service in SERVICES.values():
        assert re.fullmatch(r"[a-z/]+:[\w.]+", str(service["image"]))
        assert not str(service["image"]).endswith(":latest")


def test_ports_are_opened_on_loopback_only() -> None:
    for service in SERVICES.values():
        for port in cast("list[str]", service.get("ports", [])):
            assert port.startswith("127.0.0.1:")


def test_what_stays_up_has_a_health_check() -> None:
    for name, service in SERVICES.items():
        assert ("healthcheck" in service) == (name not in ONE_SHOT), name


@pytest.mark.parametrize("name", ["api", "streams", "worker"])
def test_each_process_is_judged_by_the_doctor_for_longer_than_that_takes(name: str) -> None:
    check = cast("dict[str, object]", SERVICES[name]["healthcheck"])
    assert check["test"] == ["CMD", "picmend", "doctor", "--process", name]
    assert name in PROCESS_NAMES
    assert int(str(check["timeout"]).removesuffix("s")) > LONGEST_S + 10


@pytest.mark.parametrize("name", ["api", "streams", "worker"])
def test_the_doctor_finds_a_process_on_a_port_of_its_containers_loopback_alone(name: str) -> None:
    settings = settings_of(environment(name))
    assert settings.monitor_host == "127.0.0.1"
    assert settings.monitor_port > 0
    published = cast("list[str]", SERVICES[name].get("ports", []))
    assert not any(port.endswith(f":{settings.monitor_port}") for port in published)


@pytest.mark.parametrize("name", ["api", "streams", "worker"])
def test_commands_run_modules_of_this_project(name: str) -> None:
    command = cast("list[str]", SERVICES[name]["command"])
    assert command[:2] == ["python", "-m"]
    package, _, _ = command[2].partition(".")
    assert importlib.util.find_spec(package) is not None


def test_no_secret_has_a_default() -> None:
    for variable in re.findall(r"\$\{([^}]*)\}", TEXT):
        assert re.fullmatch(r"PICMEND_\w+:\?set .+", variable), variable
    for service in SERVICES:
        for name, value in environment(service).items():
            if re.search("PASSWORD|SECRET|_KEY", name):
                assert re.fullmatch(r"\$\{\w+:\?.*\}", value), name


def test_only_what_migrates_gets_the_owners_password() -> None:
    for name in SERVICES:
        owns = "PICMEND_MIGRATIONS_URL" in environment(name)
        assert owns == (name in ONE_SHOT), name


def test_topics_are_there_before_the_store_and_the_bucket_before_the_processes() -> None:
    store = cast("dict[str, dict[str, str]]", SERVICES["store"]["depends_on"])
    assert store["migrate"]["condition"] == "service_completed_successfully"
    for name in ("api", "streams", "worker"):
        needs = cast("dict[str, dict[str, str]]", SERVICES[name]["depends_on"])
        assert needs["bucket"]["condition"] == "service_completed_successfully"


def test_mounted_files_exist() -> None:
    for service in SERVICES.values():
        for volume in cast("list[str]", service.get("volumes", [])):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (ROOT / source).exists(), source


def test_the_image_runs_as_an_ordinary_user_on_locked_dependencies() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    last_stage = lines[max(i for i, line in enumerate(lines) if line.startswith("FROM")) :]
    assert "USER picmend" in last_stage
    assert any("--require-hashes -r requirements.lock" in line for line in lines)


def test_store_templates_hold_no_secret_and_stay_well_formed() -> None:
    folder = ROOT / "infra" / "deploy" / "store"
    identity = json.loads((folder / "s3.json").read_text())["identities"][0]
    assert identity["credentials"] == [{"accessKey": "@ACCESS_KEY@", "secretKey": "@SECRET_KEY@"}]
    notification = tomllib.loads((folder / "notification.toml").read_text())
    assert notification["notification"]["kafka"]["topic"] == "object-events"
    security = tomllib.loads((folder / "security.toml").read_text())
    assert set(security["jwt"]) == {"signing", "filer_signing"}
