"""The API served for real, on this test's own database and bucket, with a client beside it."""

from __future__ import annotations

import asyncio
import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
import psycopg
from fastapi import FastAPI
from PIL import Image

from api.app import create_app
from api.server import ApiServer
from api.services import open_services, services_of
from domain.accounts.model import AccountKind
from domain.billing import service as billing
from domain.billing.model import Usage
from domain.jobs import store as jobs
from domain.jobs.model import Ending, Job, Result, result_key
from domain.jobs.turns import EVEN
from domain.pipeline.claim import claim_batch
from domain.pipeline.dispatch import dispatch
from domain.pipeline.end import end_batch
from domain.pipeline.enrol import enrol
from infra.clock import SystemClock
from infra.settings import Settings
from schemas.errors import ErrorCode
from schemas.ids import AccountId, JobId
from schemas.operations import OperationName
from schemas.states import Actor, JobState

if TYPE_CHECKING:
    from infra.stack.isolation import Bucket

CLOCK = SystemClock()


@dataclass(frozen=True)
class Client:
    """An account, and what it sends to the API."""

    id: AccountId
    http: httpx.Client

    def post_job(
        self,
        image: bytes | None = None,
        *,
        key: str | None = None,
        headers: dict[str, str] | None = None,
        fields: dict[str, str] | None = None,
        **more: str,
    ) -> httpx.Response:
        """Send a picture in a form; the `identity` preset unless fields say otherwise."""
        wanted = {**(fields or {}), **more} or {"preset": "identity"}
        return self.http.post(
            "/v1/jobs",
            data=wanted,
            files={"image": ("picture.png", image or png())},
            headers={"Idempotency-Key": key or str(uuid4()), **(headers or {})},
        )

    def upload(self, content: bytes) -> str:
        """Upload a file by link; return its upload id."""
        made = self.http.post("/v1/uploads").json()
        httpx.put(made["url"], content=content).raise_for_status()
        return str(made["upload_id"])

    def post_json(self, body: object, *, key: str | None = None) -> httpx.Response:
        """Ask for a job in JSON."""
        return self.http.post(
            "/v1/jobs", json=body, headers={"Idempotency-Key": key or str(uuid4())}
        )


@dataclass
class Served:
    """An API that runs in a thread."""

    url: str
    server: ApiServer
    app: FastAPI
    thread: threading.Thread

    def until_waiting(self, count: int) -> None:
        """Return when so many wait for jobs to end."""
        until(lambda: services_of(self.app).ended.waiting == count)

    def stop(self) -> None:
        """End it as SIGTERM does."""
        self.server.should_exit = True
        self.thread.join(timeout=30)
        assert not self.thread.is_alive()


@dataclass
class World:
    """The API's address, and hands to move what stands behind it."""

    settings: Settings
    bucket: Bucket
    served: Served
    _clients: list[httpx.Client] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.served.url

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.settings.database_url.get_secret_value())

    def client(self, balance: int = 100_000) -> Client:
        """Enrol an account with a balance in minor units."""
        with self.connect() as conn:
            made = enrol(conn, name="A client", kind=AccountKind.COMPANY, unit="CNY", clock=CLOCK)
            if balance:
                billing.top_up(conn, made.account.id, balance, key="first", at=CLOCK.now())
        return Client(made.account.id, self.http(str(made.api_key)))

    def http(self, key: str | None = None, **headers: str) -> httpx.Client:
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        http = httpx.Client(base_url=self.url, headers=headers, timeout=30)
        self._clients.append(http)
        return http

    def top_up(self, client: Client, amount: int) -> None:
        with self.connect() as conn:
            billing.top_up(conn, client.id, amount, key=str(uuid4()), at=CLOCK.now())

    def job(self, job_id: str) -> Job:
        with self.connect() as conn:
            found = jobs.get(conn, job_id)
        assert found is not None
        return found

    def start(self, job_id: str) -> None:
        """Bring a queued job to `running`, as dispatcher and worker do."""
        with self.connect() as conn:
            for operation in OperationName:
                dispatch(conn, operation, cap=1_000_000, turns=EVEN, clock=CLOCK)
        self.claim(job_id)

    def claim(self, job_id: str) -> None:
        """Bring a dispatched job to `running`, as a worker does."""
        found = self.job(job_id)
        with self.connect() as conn:
            attempt = [(found.id, found.attempt)]
            lease = timedelta(minutes=1)
            claim_batch(conn, attempt, worker="test", lease=lease, clock=CLOCK)
        assert self.job(job_id).state is JobState.RUNNING

    def finish(self, job_id: str, code: ErrorCode | None = None) -> None:
        """End a running job, with a result in the store unless `code` says why not."""
        job = self.job(job_id)
        result = None
        if code is None:
            key = result_key(job, "png")
            made = self.bucket.client.put_object(self.bucket.name, key, io.BytesIO(b"done"), 4)
            result = Result(key, made.etag or "", 4, "image/png", 8, 6)
        ending = Ending(
            job.id,
            JobState.FAILED if code else JobState.SUCCEEDED,
            Actor.RESULTS,
            attempt=job.attempt,
            code=code,
            detail="as the test says" if code else "",
            result=result,
        )
        with self.connect() as conn:
            end_batch(conn, [ending], clock=CLOCK)

    def bill(self, job_id: str) -> None:
        """Record the usage of an ended job, as billing does."""
        job = self.job(job_id)
        assert job.header is not None
        assert job.operation is not None
        assert job.ended_at is not None
        usage = Usage(
            job_id=job.id,
            account_id=job.account_id,
            operation=job.operation,
            preset=job.preset,
            outcome=job.state,
            code=job.code,
            amount=job.amount or 0,
            unit=job.unit or "",
            environment=job.environment,
            ended_at=job.ended_at,
            input_bytes=job.source_bytes,
            input_pixels=job.header.pixels,
        )
        with self.connect() as conn:
            billing.record_usage(conn, [usage], at=CLOCK.now())

    def rows(self, table: str, account_id: str) -> int:
        with self.connect() as conn:
            found = conn.execute(
                f"SELECT count(*) FROM {table} WHERE account_id = %s",  # noqa: S608 - our names
                (account_id,),
            ).fetchone()
        assert found is not None
        return int(found[0])

    def staged(self, account_id: str) -> list[str]:
        listed = self.bucket.client.list_objects(
            self.bucket.name, f"staged/{account_id}/", recursive=True
        )
        return [str(each.object_name) for each in listed]

    def close(self) -> None:
        for http in self._clients:
            http.close()


@contextmanager
def serving(settings: Settings) -> Iterator[Served]:
    """Serve the API in a thread for as long as the context lasts."""
    # With its protocol named: else its connections would wait 40 ms for acknowledgements.
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        app = create_app(lambda: open_services(settings))
        server = ApiServer(app, host="127.0.0.1", port=port)
        thread = threading.Thread(
            target=lambda: asyncio.run(server.serve(sockets=[listening])), name="api"
        )
        thread.start()
        served = Served(f"http://127.0.0.1:{port}", server, app, thread)
        try:
            until(lambda: server.started)
            yield served
        finally:
            served.stop()


def until(holds: object, timeout_s: float = 20.0) -> None:
    """Wait until a condition, a function without arguments, holds."""
    assert callable(holds)
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "the condition did not come to hold"
        threading.Event().wait(0.01)


def png(width: int = 8, height: int = 6, mode: str = "RGB", *, colour: int = 0) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (width, height), colour).save(file, "PNG")
    return file.getvalue()


def assert_problem(response: httpx.Response, status: int, code: str) -> dict[str, object]:
    """Check that an answer is a problem with this status and code; return it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = response.json()
    assert body["code"] == code
    assert body["status"] == status
    assert body["type"] == f"urn:picmend:error:{code}"
    assert body["title"]
    assert body["remedy"]
    assert "Traceback" not in response.text
    return body


def job_id_of(response: httpx.Response) -> JobId:
    return JobId(response.json()["id"])
