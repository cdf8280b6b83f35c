"""A transfer may take as long as it moves; one that stands still is given up. On real sockets."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from urllib3.exceptions import HTTPError

from infra.steady_http import SteadyPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SILENCE_S = 0.3
BODY = b"x" * (4 << 20)
A_PIECE_EACH_S = 0.02
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def takes_it_slowly(client: socket.socket, _over: threading.Event) -> None:
    """Read a request's head and then its body, 128 KiB every 20 ms, and answer."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += client.recv(4096)
    left = len(BODY) - len(got.split(b"\r\n\r\n", 1)[1])
    while left:
        time.sleep(A_PIECE_EACH_S)
        left -= len(client.recv(min(left, 128 << 10)))
    client.sendall(ANSWER)


def stands_still(_client: socket.socket, over: threading.Event) -> None:
    """Read nothing."""
    over.wait(60)


@contextmanager
def a_server_that(serves: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    threads: list[threading.Thread] = []
    over = threading.Event()

    def serve(client: socket.socket) -> None:
        with client, suppress(OSError):
            serves(client, over)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threads.append(threading.Thread(target=serve, args=(listening.accept()[0],)))
                threads[-1].start()

    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            over.set()
            listening.shutdown(socket.SHUT_RDWR)
            accepting.join()
    for thread in threads:
        thread.join()


@pytest.fixture
def pool() -> Iterator[SteadyPool]:
    with SteadyPool(connections=1, silence_s=SILENCE_S) as pool:
        yield pool


def test_a_body_that_is_taken_slowly_is_sent_however_long_that_takes(pool: SteadyPool) -> None:
    with a_server_that(takes_it_slowly) as url:
        begun = time.monotonic()
        answer = pool.request("PUT", url, body=BODY, headers={"Content-Length": str(len(BODY))})
        took = time.monotonic() - begun
        pool.clear()

    assert (answer.status, answer.data) == (200, b"ok")
    assert took > SILENCE_S


def test_a_body_that_nobody_takes_is_given_up_after_the_silence_of_two_tries(
    pool: SteadyPool,
) -> None:
    with a_server_that(stands_still) as url:
        begun = time.monotonic()
        with pytest.raises(HTTPError, match="timed out"):
            pool.request("PUT", url, body=BODY, headers={"Content-Length": str(len(BODY))})
        took = time.monotonic() - begun
        pool.clear()

    assert took > 2 * SILENCE_S
