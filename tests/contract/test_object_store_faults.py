"""A store that answers wrongly, or not: each a small HTTP server with one fault."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from infra.object_store import (
    AccessDenied,
    ObjectMissing,
    S3ObjectStore,
    StoreError,
    StoreUnavailable,
)


class Answers(ThreadingHTTPServer):
    """Answers the n-th request with the n-th of `answers`; None closes the connection."""

    def __init__(self, answers: list[bytes | None]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = iter(answers)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Answers

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        answer = next(self.server.answers)
        if answer is None:
            self.close_connection = True
            return
        self.wfile.write(answer)
        if b"connection: close" in answer:
            self.close_connection = True

    do_GET = do_PUT = do_HEAD = answer  # noqa: N815 - the names http.server calls

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        pass


@contextmanager
def a_store_that(*answers: bytes | None) -> Iterator[S3ObjectStore]:
    with Answers(list(answers)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        store = S3ObjectStore(endpoint=endpoint, access_key="a", secret_key="b", bucket="uploads")
        try:
            yield store
        finally:
            store.close()
            server.shutdown()
            thread.join()


def an_answer(status: str, body: bytes = b"", kind: str = "application/xml") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def an_error(status: str, code: str) -> bytes:
    return an_answer(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())


GOOD = an_answer("200 OK", b"abc", "image/png")


@pytest.mark.parametrize(
    "answer",
    [
        an_error("503 Slow Down", "SlowDown"),
        an_error("500 Internal Server Error", "InternalError"),
        an_error("429 Too Many Requests", "TooManyRequests"),
        an_answer("502 Bad Gateway", b"<html>", "text/html"),
        an_answer("504 Gateway Timeout"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nconnection: close\r\n\r\nabc",
        b"not http at all\r\n\r\n",
    ],
    ids=["slow down", "internal", "too many", "html", "empty 504", "cut off", "no http"],
)
def test_an_answer_that_says_later_is_unavailable(answer: bytes) -> None:
    with (
        a_store_that(answer, answer) as store,
        pytest.raises(StoreUnavailable),
    ):
        store.get("a", max_bytes=100)


def test_a_connection_closed_meanwhile_is_replaced_within_the_call() -> None:
    with a_store_that(GOOD, None, GOOD) as store:
        assert store.get("a", max_bytes=100) == b"abc"
        assert store.get("a", max_bytes=100) == b"abc"


def test_a_put_whose_connection_was_closed_is_sent_again() -> None:
    put = b'HTTP/1.1 200 OK\r\nETag: "123"\r\nContent-Length: 0\r\n\r\n'
    with a_store_that(None, put) as store:
        assert store.put("a", b"data", "image/png") == "123"


def test_a_store_that_closes_every_connection_is_unavailable() -> None:
    with a_store_that(None, None, None, None) as store, pytest.raises(StoreUnavailable):
        store.head("a")


def test_a_body_of_untold_size_is_not_read() -> None:
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nconnection: close\r\n\r\n"
        b"3\r\nabc\r\n0\r\n\r\n"
    )
    with a_store_that(chunked) as store, pytest.raises(StoreError, match="size"):
        store.get("a", max_bytes=100)


def test_a_store_that_ignores_ranges_is_not_believed() -> None:
    with a_store_that(GOOD) as store, pytest.raises(StoreError, match="ignores ranges"):
        store.get_range("a", 1, 2)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (an_answer("403 Forbidden"), AccessDenied),
        (an_answer("404 Not Found"), ObjectMissing),
        (an_answer("500 Internal Server Error"), StoreUnavailable),
        (an_answer("400 Bad Request"), StoreError),
    ],
)
def test_an_answer_to_head_has_no_body_and_is_understood(
    answer: bytes, kind: type[StoreError]
) -> None:
    with a_store_that(answer) as store, pytest.raises(kind):
        store.head("a")
