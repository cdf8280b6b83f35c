"""The small HTTP server of every process: `/metrics` for Prometheus, `/health` for a supervisor.

It runs on an event loop of its own in a thread of its own: it answers whatever the process does
otherwise, and is silent only when the whole process is.
"""

import asyncio
import os
import socket
import threading
from collections.abc import Collection, Iterable
from http import HTTPStatus
from typing import Final, Self

from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from infra import ready
from infra.halts import Halts
from infra.health import Health, PartHealth
from infra.logs import logger
from infra.pulse import Pulse

CONNECTIONS: Final = 16
"""Clients served at once; what comes beyond is closed unanswered."""

CLIENT_S: Final = 2.0
"""How long one client may take, from its connection to the last byte of its answer."""

_REQUEST_BYTES: Final = 8192
_JSON: Final = "application/json"
_TEXT: Final = "text/plain; charset=utf-8"

_log = logger(__name__)


class Monitor:
    """Serves `GET /metrics` and `GET /health` from when it is made.

    `/health` answers 200 when every part of this process is alive, and 503 when one is not; the
    body is `infra.health.Health` as JSON either way.
    """

    def __init__(
        self, *, host: str = "127.0.0.1", port: int = 0, registry: Collector = REGISTRY
    ) -> None:
        """Listen on `host` and `port` (0: any free one). Raises `OSError` when that is taken."""
        self._registry = registry
        self._pulses: tuple[Pulse, ...] = ()
        self._ready = False
        self._partitions: dict[str, tuple[int, ...]] | None = None
        self._full: tuple[str, ...] = ()
        self._halts = Halts()
        self._clients = 0
        self._socket = socket.create_server((host, port), backlog=CONNECTIONS)
        bound: tuple[str, int] = self._socket.getsockname()[:2]
        self.address: Final = f"{bound[0]}:{bound[1]}"
        self._loop = asyncio.SelectorEventLoop()
        self._closing = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def watch(self, *pulses: Pulse) -> None:
        """Judge these parts too."""
        self._pulses += pulses

    def consumes(
        self, partitions: Iterable[tuple[str, int]] | None, *, full: Collection[str] = ()
    ) -> None:
        """Note the partitions, as (topic, number), that this process's consumer holds.

        `full` are topics from which it takes nothing, because it is busy.
        """
        held: dict[str, list[int]] = {}
        for topic, number in partitions or ():
            held.setdefault(topic, []).append(number)
        self._full = tuple(sorted(full))
        self._partitions = {topic: tuple(sorted(held[topic])) for topic in held} or None

    def watch_halts(self, halts: Halts) -> None:
        """Tell which topics are not read on."""
        self._halts = halts

    def tell_ready(self) -> None:
        """Say that this process does its work, here and in the file of `infra.ready`."""
        self._ready = True
        ready.tell(self.address)

    def health(self) -> Health:
        """Return what `/health` says."""
        return Health(
            pid=os.getpid(),
            ready=self._ready,
            parts=tuple(
                PartHealth(
                    name=pulse.name,
                    silent_s=round(pulse.silent_s(), 3),
                    within_s=pulse.within_s,
                    stands_by=pulse.stands_by,
                )
                for pulse in self._pulses
            ),
            partitions=self._partitions,
            full=self._full,
            halted=self._halts.topics(),
        )

    def close(self) -> None:
        """Serve no more."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join()

    def _run(self) -> None:
        # Not the loop of the process's policy: this one is for nothing but the two answers.
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve_until_closed())

    async def _serve_until_closed(self) -> None:
        server = await asyncio.start_server(self._serve, sock=self._socket, limit=_REQUEST_BYTES)
        await self._closing.wait()
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients += 1
        try:
            if self._clients <= CONNECTIONS:
                async with asyncio.timeout(CLIENT_S):
                    writer.write(self._answer(await reader.readuntil(b"\r\n\r\n")))
                    await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, OSError):
            writer.transport.abort()
        finally:
            self._clients -= 1
            writer.close()

    def _answer(self, request: bytes) -> bytes:
        lines = request.decode("latin-1").split("\r\n")
        method, _, rest = lines[0].partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        if path not in {"/metrics", "/health"}:
            return _response(HTTPStatus.NOT_FOUND, _TEXT, b"/metrics or /health\n")
        if method != "GET":
            return _response(HTTPStatus.METHOD_NOT_ALLOWED, _TEXT, b"GET\n")
        try:
            return self._health() if path == "/health" else self._metrics(_accepted(lines))
        except Exception:  # noqa: BLE001 - a collector that fails must not end this server
            _log.exception("monitor_failed", path=path)
            return _response(HTTPStatus.INTERNAL_SERVER_ERROR, _TEXT, b"see the log\n")

    def _health(self) -> bytes:
        health = self.health()
        status = HTTPStatus.OK if health.ok else HTTPStatus.SERVICE_UNAVAILABLE
        return _response(status, _JSON, health.model_dump_json().encode())

    def _metrics(self, accept: str) -> bytes:
        encode, content_type = choose_encoder(accept)
        return _response(HTTPStatus.OK, content_type, encode(self._registry))


def _accepted(lines: list[str]) -> str:
    """Return the request's Accept header, or an empty text."""
    for line in lines[1:]:
        name, _, value = line.partition(":")
        if name.lower() == "accept":
            return value.strip()
    return ""


def _response(status: HTTPStatus, content_type: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status} {status.phrase}\r\n"
        f"Content-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode("latin-1") + body
