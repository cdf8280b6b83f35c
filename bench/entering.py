"""What it costs to look a request's key up and to count its rate; `python -m bench.entering`.

Real Postgres with its writes made durable, and the API served in this process, as a client sees it
that sends one request after another. The same requests, let in without asking anything, are what
it is held against.
"""

import asyncio
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

import httpx
import psycopg
from fastapi import FastAPI

from api import services
from api.app import create_app
from api.server import ApiServer
from api.services import open_services, services_of
from bench.figures import Figure, show
from domain.accounts.model import AccountKind
from domain.admission import overrides
from domain.admission.limits import Limit
from domain.pipeline.enrol import Enrolled, enrol
from domain.pipeline.enter import Entered, RateLimiter, Unknown
from infra.clock import SystemClock
from infra.settings import Settings
from infra.stack import Stack, open_stack
from infra.stack.isolation import make_template, own_database
from infra.stack.stack import settings_of
from schemas.decisions import Quota
from schemas.ids import AccountId

REQUESTS: Final = 300
ROUNDS: Final = 6
ENTRIES: Final = 2_000
THREADS: Final = 8

_CLOCK: Final = SystemClock()
_NETWORK: Final = "192.0.2.0/24"
_WRONG_KEY: Final = "pm_live_0000000000000000_" + "0" * 64


class _Open:
    """Lets everybody in as the one account, and asks nothing."""

    def __init__(self, account_id: AccountId, key_id: str) -> None:
        self._who = Entered(account_id, key_id, None)

    def enter(self, _key: str, _network: str, _at: datetime) -> Entered | Unknown:
        return self._who


def run() -> Iterator[Figure]:
    """Yield what a call takes, what a request takes with it and without, and how many a second."""
    with (
        tempfile.TemporaryDirectory() as folder,
        open_stack(Path(folder)) as stack,
        _account(stack) as (settings, enrolled),
        _serving(settings) as (app, url),
    ):
        limiter = services_of(app).limiter
        key = str(enrolled.api_key)
        yield _call(limiter, "valid key", key)
        yield _call(limiter, "invalid key", _WRONG_KEY)
        yield Figure("entering", f"one account, {THREADS} threads", _hot(limiter, key), "1/s")
        yield _requests(app, url, enrolled)


def _call(limiter: RateLimiter, case: str, key: str) -> Figure:
    took = [_timed(lambda: _enter(limiter, key)) for _ in range(ENTRIES)]
    return Figure("entering", f"call, {case}", statistics.median(took) * 1e3, "ms")


def _enter(limiter: RateLimiter, key: str) -> None:
    limiter.enter(key, _NETWORK, _CLOCK.now())


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _hot(limiter: RateLimiter, key: str) -> float:
    def come() -> None:
        for _ in range(ENTRIES // THREADS):
            _enter(limiter, key)

    threads = [threading.Thread(target=come) for _ in range(THREADS)]

    def all_of_them() -> None:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return ENTRIES / _timed(all_of_them)


def _requests(app: FastAPI, url: str, enrolled: Enrolled) -> Figure:
    """Return the median time of a request, against the one of those that enter unasked."""
    asked = services_of(app)
    unasked = replace(asked, limiter=_Open(enrolled.account.id, enrolled.api_key.id))
    took: dict[bool, list[float]] = {True: [], False: []}
    headers = {"Authorization": f"Bearer {enrolled.api_key}"}
    with httpx.Client(base_url=url, headers=headers) as http:

        def get() -> None:
            http.get("/v1/balance").raise_for_status()

        for _ in range(REQUESTS):
            get()
        for _ in range(ROUNDS):
            for entering, own in ((True, asked), (False, unasked)):
                services.install(app, own)
                took[entering] += [_timed(get) for _ in range(REQUESTS)]
    with_it, without = (statistics.median(took[entering]) * 1e3 for entering in (True, False))
    return Figure("entering", "GET /v1/balance", with_it, "ms", without, with_it / without)


@contextmanager
def _account(stack: Stack) -> Iterator[tuple[Settings, Enrolled]]:
    """Give the settings of a database of its own, and an account there that is never too fast."""
    with own_database(stack.settings(), make_template(stack.settings())) as database:
        settings = settings_of({**stack.environment, "PICMEND_DATABASE_URL": database.app_url})
        now = _CLOCK.now()
        with psycopg.connect(database.app_url) as conn:
            made = enrol(conn, name="B", kind=AccountKind.COMPANY, unit="CNY", clock=_CLOCK)
            for quota in (Quota.REQUESTS_PER_SECOND, Quota.REQUEST_BURST):
                overrides.add(
                    conn,
                    made.account.id,
                    Limit(quota, None, 1_000_000),
                    starts_at=now,
                    ends_at=None,
                    reason="bench",
                    by="bench",
                    at=now,
                )
        yield settings, made


@contextmanager
def _serving(settings: Settings) -> Iterator[tuple[FastAPI, str]]:
    # The protocol is named, else connections wait 40 ms for acknowledgements.
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        app = create_app(lambda: open_services(settings))
        server = ApiServer(app, host="127.0.0.1", port=0)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield app, f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


if __name__ == "__main__":
    show(run())
