"""The HTTP server: says when it is ready, and lets those who wait go before it ends."""

import os
import socket
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from typing_extensions import override

from api.services import services_of

_LONGEST_SHUTDOWN_S = 15
READY_FILE_VARIABLE = "PICMEND_READY_FILE"


class ApiServer(uvicorn.Server):
    """Serves an application until SIGTERM or SIGINT; requests under way are finished.

    `ready_file` is written once it accepts connections.
    """

    def __init__(
        self, app: FastAPI, *, host: str, port: int, ready_file: Path | None = None
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
        self._ready_file = ready_file

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self._ready_file is not None:
            self._ready_file.write_text(f"{os.getpid()}\n")

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Someone may wait a minute for a job; they are answered now instead.
        services_of(self._app).ended.release()
        await super().shutdown(sockets)


def ready_file_from_environment() -> Path | None:
    """Return the file that whoever supervises this process wants written, if any."""
    named = os.environ.get(READY_FILE_VARIABLE)
    return Path(named) if named else None
