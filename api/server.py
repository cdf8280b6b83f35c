"""The HTTP server: says when it is ready, and lets those who wait go before it ends."""

import socket

import uvicorn
from fastapi import FastAPI
from typing_extensions import override

from api.services import services_of
from infra.monitor import Monitor
from infra.pulse import LOOP_S, Pulse

_LONGEST_SHUTDOWN_S = 15


class ApiServer(uvicorn.Server):
    """Serves an application until SIGTERM or SIGINT; requests under way are finished.

    `monitor` is told once it accepts connections, and watches that its event loop turns.
    """

    def __init__(
        self, app: FastAPI, *, host: str, port: int, monitor: Monitor | None = None
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=_LONGEST_SHUTDOWN_S,
            )
        )
        self._app = app
        self._monitor = monitor
        self._pulse = Pulse("event-loop", within_s=LOOP_S)

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self._monitor is not None:
            self._pulse.beat()
            self._monitor.watch(self._pulse)
            self._monitor.tell_ready()

    @override
    async def on_tick(self, counter: int) -> bool:
        self._pulse.beat()
        return await super().on_tick(counter)

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Someone may wait a minute for a job; they are answered now instead.
        services_of(self._app).ended.release()
        await super().shutdown(sockets)
