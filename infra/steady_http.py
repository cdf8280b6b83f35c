"""HTTP whose time-outs are of silence, so that a transfer may take as long as it moves.

urllib3 gives a whole body to one `sendall`, for all of which one time-out counts, and that is the
one for connecting: a body that takes longer than a connection may take to open was never sent.
"""

import io
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import urllib3
from typing_extensions import override
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import BaseHTTPResponse

CONNECT_S: Final = 2.0
SILENCE_S: Final = 20.0

_BLOCK: Final = 64 * 1024
_OPTIONS: Final = [
    *HTTPConnection.default_socket_options,
    # What waits in the kernel to be sent looks, from here, as an answer that does not come: a
    # slow line needs longer than `SILENCE_S` for the megabytes that it would keep.
    (socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, 2 * _BLOCK),
]


class SteadyPool(urllib3.PoolManager):
    """Connections to servers, `connections` of them kept open for each; further threads wait.

    A server that does not let us connect is given up after `CONNECT_S`, one that neither takes
    nor sends anything after `silence_s`. Either is tried once more, unless by a POST.
    """

    def __init__(self, *, connections: int, silence_s: float = SILENCE_S) -> None:
        # Sent again once where no answer came; urllib3 leaves out POST, which is not idempotent.
        retries = urllib3.Retry(total=1, redirect=0, status=0, backoff_factor=0)
        super().__init__(
            maxsize=connections,
            block=True,
            timeout=urllib3.Timeout(connect=silence_s, read=silence_s),
            retries=retries,
            blocksize=_BLOCK,
            socket_options=_OPTIONS,
        )
        self.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    @override
    def urlopen(  # type: ignore[override]  # as urllib3's own, which is no other
        self, method: str, url: str, redirect: bool = True, **options: Any
    ) -> BaseHTTPResponse:
        """Send a request; see urllib3. A body of bytes goes block by block."""
        body = options.get("body")
        if isinstance(body, bytes) and body:
            options["body"] = io.BytesIO(body)
        return super().urlopen(method, url, redirect, **options)


class _Connection(HTTPConnection):
    @override
    def connect(self) -> None:
        with _soon(self):
            super().connect()


class _SecureConnection(HTTPSConnection):
    @override
    def connect(self) -> None:
        with _soon(self):
            super().connect()


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


@contextmanager
def _soon(connection: HTTPConnection) -> Iterator[None]:
    """Let it connect within `CONNECT_S`, and after that be as patient as it was."""
    patience, connection.timeout = connection.timeout, CONNECT_S
    try:
        yield
    finally:
        connection.timeout = patience
    if connection.sock is not None:
        connection.sock.settimeout(patience)
