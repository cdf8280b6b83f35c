"""The customers of a system under faults: what they send, and what they were told."""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from random import Random
from typing import Final

import httpx
import psycopg

from domain.accounts.model import AccountKind
from domain.billing import service as billing
from domain.pipeline.enrol import enrol
from infra.object_store import S3ObjectStore, from_settings
from infra.settings import Settings
from infra.stored_objects import StoreError
from schemas import keys
from schemas.ids import AccountId, JobId, api_job_id
from tests.e2e.customer import CLOCK, picture

SENDERS: Final = 12
BALANCES: Final = (1_000_000, 1_000_000, 1_000_000, 40)
"""One account cannot pay for all it sends: its uploads are rejected when its money is spent."""

_SHARES: Final = (3, 3, 3, 1)

_BY_API: Final = 0.15
_CANCEL_EVERY, _RETRY_EVERY = 20, 45
_ANSWER_S: Final = 10.0
_PUT_AGAIN_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Account:
    """One customer, with the key to its API."""

    id: AccountId
    api_key: str


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload that the store has answered with 200."""

    key: str
    etag: str


class Answer(StrEnum):
    """What the API said to a request for a job."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """No answer, or one that says nothing about the job: there may be one, or not."""


@dataclass(frozen=True, slots=True)
class Order:
    """A job that was asked for over the API."""

    job_id: JobId
    answer: Answer


@dataclass(frozen=True, slots=True)
class Sent:
    """What customers know that they sent."""

    uploads: tuple[Upload, ...]
    orders: tuple[Order, ...]


def enrol_accounts(settings: Settings) -> tuple[Account, ...]:
    """Enrol one account for each of `BALANCES`, with so many minor units."""
    made: list[Account] = []
    with psycopg.connect(settings.database_url.get_secret_value()) as conn:
        for balance in BALANCES:
            new = enrol(conn, name="storm", kind=AccountKind.COMPANY, unit="CNY", clock=CLOCK)
            key = secrets.token_hex(4)
            billing.top_up(conn, new.account.id, balance, key=key, at=CLOCK.now())
            made.append(Account(new.account.id, str(new.api_key)))
    return tuple(made)


class Load:
    """Sends jobs numbered from 0, as far as they are released.

    Most are put into the store, again and again until it answers 200; some are posted to the
    API, once. Now and then a job is cancelled, or a cancelled one tried again, whatever comes
    of it. Everything but the store's 200 is taken as it comes.
    """

    def __init__(
        self, settings: Settings, api_url: str, accounts: Sequence[Account], *, seed: int
    ) -> None:
        self._store: S3ObjectStore = from_settings(settings, connections=SENDERS)
        self._http = httpx.Client(base_url=api_url, timeout=_ANSWER_S)
        self._accounts = accounts
        self._seed = seed
        self._body = picture()
        self._changed = threading.Condition()
        self._next, self._released, self._done = 0, 0, 0
        self._closed = False
        self._failure: Exception | None = None
        self._uploads: list[Upload] = []
        self._orders: dict[JobId, Order] = {}
        self.tally: Counter[str] = Counter()

    def release(self, upto: int) -> None:
        """Let the jobs below `upto` be sent."""
        with self._changed:
            self._released = max(self._released, upto)
            self._changed.notify_all()

    def wait_done(self, count: int, *, within_s: float) -> None:
        """Return when so many jobs have been sent. Raises `TimeoutError`."""
        with self._changed:
            reached = self._changed.wait_for(
                lambda: self._done >= count or self._failure is not None, within_s
            )
            if self._failure is not None:
                raise self._failure
            if not reached:
                raise TimeoutError(f"{self._done} of {count} jobs sent within {within_s:.0f} s")

    def all_done(self) -> bool:
        """Tell whether everything released has been sent."""
        with self._changed:
            return self._done == self._released

    @property
    def done(self) -> int:
        """How many jobs have been sent, whatever came of them."""
        return self._done

    @property
    def uploads(self) -> int:
        """How many uploads have been answered with 200."""
        return len(self._uploads)

    def sent(self) -> Sent:
        """Return what has been sent so far."""
        with self._changed:
            return Sent(tuple(self._uploads), tuple(self._orders.values()))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send in the background; at the end, what is being sent is sent to its end."""
        threads = [threading.Thread(target=self._send_all, daemon=True) for _ in range(SENDERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            with self._changed:
                self._closed = True
                self._changed.notify_all()
            for thread in threads:
                thread.join()
            self._http.close()
            self._store.close()

    def _send_all(self) -> None:
        while (number := self._take()) is not None:
            try:
                self._send(number)
            except Exception as error:  # noqa: BLE001 - told to whoever waits for this job
                with self._changed:
                    self._failure = error
            with self._changed:
                self._done += 1
                self._changed.notify_all()

    def _take(self) -> int | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._next < self._released)
            if self._closed:
                return None
            self._next += 1
            return self._next - 1

    def _send(self, number: int) -> None:
        choice = Random(f"{self._seed}/{number}")
        account = choice.choices(self._accounts, _SHARES)[0]
        body = self._body + b"%d" % number
        if choice.random() < _BY_API:
            self._post(account, f"order-{number}", body)
        else:
            self._put(keys.input_key(account.id, "identity", f"{number % 7}/{number}.png"), body)
        if number % _CANCEL_EVERY == 0:
            self._meddle(account, "cancel", ("queued", "dispatched", "running"))
        if number % _RETRY_EVERY == 0:
            self._meddle(account, "retry", ("cancelled",))

    def _put(self, key: str, body: bytes) -> None:
        while True:
            try:
                etag = self._store.put(key, body, "image/png")
            except StoreError:
                self._count("uploads put again")
                if self._closed:
                    return
                threading.Event().wait(_PUT_AGAIN_S)
            else:
                with self._changed:
                    self._uploads.append(Upload(key, etag))
                return

    def _post(self, account: Account, idempotency_key: str, body: bytes) -> None:
        response = self._ask(
            account,
            "POST",
            "/v1/jobs",
            data={"preset": "identity"},
            files={"image": ("a.png", body)},
            headers={"Idempotency-Key": idempotency_key},
        )
        self._note_order(api_job_id(account.id, idempotency_key), "orders", response)

    def _meddle(self, account: Account, what: str, states: tuple[str, ...]) -> None:
        """Cancel or retry the latest job that is in one of these states."""
        found = self._ask(account, "GET", "/v1/jobs", params={"state": states, "limit": 1})
        if found is None or not found.is_success or not found.json()["jobs"]:
            self._count(f"{what}: no job found")
            return
        answer = self._ask(account, "POST", f"/v1/jobs/{found.json()['jobs'][0]['id']}/{what}")
        if what == "retry" and answer is not None and answer.is_success:
            self._note_order(JobId(answer.json()["id"]), "retries", answer)
        else:
            self._count(f"{what}: {'no answer' if answer is None else answer.status_code}")

    def _note_order(self, job_id: JobId, what: str, response: httpx.Response | None) -> None:
        answer = _answer(response)
        self._count(f"{what} {answer}")
        with self._changed:
            self._orders[job_id] = Order(job_id, answer)

    def _count(self, what: str) -> None:
        with self._changed:
            self.tally[what] += 1

    def _ask(
        self,
        account: Account,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        data: dict[str, str] | None = None,
        files: dict[str, tuple[str, bytes]] | None = None,
        params: dict[str, str | int | tuple[str, ...]] | None = None,
    ) -> httpx.Response | None:
        """Ask the API once; None when it did not answer."""
        bearer = {"Authorization": f"Bearer {account.api_key}"}
        try:
            return self._http.request(
                method,
                path,
                headers={**bearer, **(headers or {})},
                data=data,
                files=files,
                params=params,
            )
        except httpx.TransportError:
            return None


def _answer(response: httpx.Response | None) -> Answer:
    if response is None or response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Answer.UNKNOWN
    return Answer.ACCEPTED if response.is_success else Answer.REFUSED
