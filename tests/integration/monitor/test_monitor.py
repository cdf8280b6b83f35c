"""The server of `/metrics` and `/health`, over real sockets."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from infra import ready
from infra.health import Health
from infra.monitor import CLIENT_S, CONNECTIONS, Monitor
from infra.pulse import Pulse


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    with Monitor() as monitor:
        yield monitor


def place(monitor: Monitor) -> tuple[str, int]:
    host, _, port = monitor.address.rpartition(":")
    return host, int(port)


def health(monitor: Monitor) -> tuple[int, Health]:
    answer = httpx.get(f"http://{monitor.address}/health")
    return answer.status_code, Health.model_validate_json(answer.content)


def test_it_listens_on_loopback_on_a_port_of_its_own(monitor: Monitor) -> None:
    with Monitor() as other:
        assert place(monitor)[0] == "127.0.0.1"
        assert place(monitor) != place(other)


def test_a_port_that_is_taken_is_an_error(monitor: Monitor) -> None:
    host, port = place(monitor)
    with pytest.raises(OSError, match="in use"):
        Monitor(host=host, port=port)


def test_health_is_503_and_names_the_part_that_is_silent_until_it_beats_again(
    monitor: Monitor,
) -> None:
    now = 0.0
    relay = Pulse("relay", within_s=20.0, clock=lambda: now)
    monitor.watch(relay, Pulse("sweeper", within_s=20.0, clock=lambda: 0.0))
    assert health(monitor)[0] == 200
    now = 21.0
    status, told = health(monitor)
    assert status == 503
    assert [part.name for part in told.silent] == ["relay"]
    relay.beat()
    assert health(monitor)[0] == 200


def test_health_tells_what_the_process_consumes_and_what_it_is_too_busy_for(
    monitor: Monitor,
) -> None:
    assert health(monitor)[1].partitions is None
    monitor.consumes([("work.upscale", 1), ("work.upscale", 0)], full={"work.upscale"})
    told = health(monitor)[1]
    assert told.partitions == {"work.upscale": (0, 1)}
    assert told.full == ("work.upscale",)
    monitor.consumes(None)
    assert health(monitor)[1].partitions is None


def test_being_ready_is_told_in_the_ready_file_too(
    monitor: Monitor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "one.ready"
    monkeypatch.setenv(ready.VARIABLE, str(file))
    assert ready.read(file) is None
    assert not health(monitor)[1].ready
    monitor.tell_ready()
    assert health(monitor)[1].ready
    assert ready.read(file) == ready.Told(pid=os.getpid(), monitor=monitor.address)
    assert list(tmp_path.iterdir()) == [file]


def test_metrics_are_in_the_format_that_is_asked_for() -> None:
    registry = CollectorRegistry()
    Counter("turns", "Turns taken.", registry=registry).inc(3)
    with Monitor(registry=registry) as monitor:
        url = f"http://{monitor.address}/metrics"
        plain = httpx.get(url, headers={"Accept": "*/*"})
        assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert "turns_total 3.0" in plain.text
        accept = "application/openmetrics-text; version=1.0.0"
        assert httpx.get(url, headers={"Accept": accept}).text.endswith("# EOF\n")


def test_a_collector_that_fails_ends_nothing() -> None:
    class Broken(Collector):
        def collect(self) -> Iterator[CounterMetricFamily]:
            raise RuntimeError("cannot count")

    with Monitor(registry=Broken()) as monitor:
        assert httpx.get(f"http://{monitor.address}/metrics").status_code == 500
        assert health(monitor)[0] == 200


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET / HTTP/1.1", b"404"),
        ("POST /metrics HTTP/1.1", b"405"),
        ("GET /health?verbose HTTP/1.1", b"200"),
        ("nonsense", b"404"),
        ("", b"404"),
        ("\x00\xff", b"404"),
    ],
)
def test_anything_asked_gets_a_short_answer(
    monitor: Monitor, request_line: str, status: bytes
) -> None:
    with socket.create_connection(place(monitor), timeout=5) as client:
        client.sendall(f"{request_line}\r\n\r\n".encode("latin-1"))
        assert client.makefile("rb").readline().split()[1] == status


def test_a_request_without_end_is_cut_off(monitor: Monitor) -> None:
    with socket.create_connection(place(monitor), timeout=CLIENT_S + 5) as client:
        client.sendall(b"GET /health HTTP/1.1\r\n" + b"x" * 20_000)
        assert is_let_go(client)


def test_clients_that_say_nothing_are_let_go_and_keep_nobody_out_for_long(
    monitor: Monitor,
) -> None:
    threads = threading.active_count()
    silent = [
        socket.create_connection(place(monitor), timeout=CLIENT_S + 5)
        for _ in range(2 * CONNECTIONS)
    ]
    try:
        assert threading.active_count() == threads
        assert all(map(is_let_go, silent))
        assert health(monitor)[0] == 200
    finally:
        for client in silent:
            client.close()


def is_let_go(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True
