"""Those who use picmend in a simulation: they upload, ask by API, cancel and try again."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import psycopg

from domain.accounts import store as accounts
from domain.accounts.model import Account, AccountKind, AccountState
from domain.admission import rule_store
from domain.admission.rulebook import Change
from domain.admission.rules.ladder import Mode
from domain.billing import service as billing
from domain.jobs import store as jobs
from domain.jobs.model import Header, StoredObject
from domain.jobs.reorder import reorder
from domain.pipeline import review
from domain.pipeline.cancel import JobEndedError, cancel
from domain.pipeline.resolve import Candidate
from domain.pipeline.retry import NotRetryableError
from domain.pipeline.submit import RefusedError, submit, submit_retry
from schemas import ids, keys
from schemas.ids import AccountId, JobId
from schemas.operations import IdentityParameters, ImageFormat, UpscaleParameters
from schemas.states import Actor, Origin
from tests.simulation.pictures import Fate, picture
from tests.simulation.ports import Database
from tests.simulation.processes import LIFETIME
from tests.simulation.scheduler import Process, SimTime

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.world import World

RICH: Final = AccountId("acc_rich")
OTHER: Final = AccountId("acc_second")
POOR: Final = AccountId("acc_poor")
STRANGER: Final = AccountId("acc_stranger")
PRESETS: Final = (
    *("identity", "upscale-photo-x4", "inpaint", "upscale-fast-x4") * 2,
    "no-such-preset",
)
_PNG: Final = "image/png"
_TOUCHY: Final = Change(
    mode=Mode.ENFORCED,
    parameters={"at_least": 3, "share": 0.1, "minutes": 1},
    ladder=[
        {"step": "review", "expires_after": "PT20S"},
        {"step": "suspend_account", "after": "PT1S", "expires_after": "PT40S"},
    ],
)
_BALANCES: Final = {RICH: 1_000_000, OTHER: 1_000_000, POOR: 3}


def enrol(world: World) -> None:
    """Make the accounts, under ids that are the same in each run."""
    at = world.simulation.now()
    with world.transaction() as conn:
        for id_, balance in _BALANCES.items():
            accounts.insert(
                conn, Account(id_, "A client", AccountKind.COMPANY, AccountState.ACTIVE, "CNY", at)
            )
            billing.open_accounts(conn, id_, "CNY")
            billing.top_up(conn, id_, balance, key="first", at=at)
        # Some have less than they will ask for.
        for id_ in (RICH, OTHER):
            if world.simulation.chance(0.4):
                limit = world.simulation.random.randint(2, 7)
                conn.execute(
                    "INSERT INTO quota_overrides"
                    " (account_id, quota, value, starts_at, reason, by, at)"
                    " VALUES (%s, 'jobs_per_day', %s, %s, 'test', 'test', %s)",
                    (id_, limit, at - timedelta(days=400), at),
                )
        # A rule that is soon touched, so that what follows from a finding happens here.
        rule_store.write_defaults(conn, at)
        rule_store.write(conn, "broken_files", "standard", _TOUCHY, by="test", at=at)


@dataclass
class Clients:
    """Everybody outside. `busy` counts those who have something left to do.

    `accepted` are the jobs that the API said yes to; nobody may forget these.
    """

    world: World
    busy: int = 0
    accepted: set[JobId] = field(default_factory=set)
    _process: Process = field(default_factory=lambda: Process("client"))
    _calls: int = 0
    _pictures: int = 0

    def begin(self) -> None:
        """Let them begin."""
        random = self.world.simulation.random
        for account in (RICH, OTHER, POOR):
            self._do(f"{account} uploads", partial(self._upload_some, account))
            if random.random() < 0.6:
                self._do(f"{account} asks", partial(self._ask_some, account))

    def cancel_one(self) -> None:
        """Cancel some job."""
        with self.world.transaction() as conn:
            if job_id := self._some_job(conn):
                self.world.simulation.fault("job cancelled")
                try:
                    cancel(conn, job_id, by=Actor.CLIENT, clock=self._time())
                except JobEndedError:
                    self.world.simulation.note(f"{job_id} had ended")

    def retry_one(self) -> None:
        """Try some job again."""
        try:
            with self.world.transaction() as conn:
                job = jobs.get(conn, self._some_job(conn) or "")
                if job is not None:
                    self.world.simulation.fault("job retried")
                    submit_retry(conn, job, clock=self._time(), lifetime=LIFETIME)
        except (NotRetryableError, RefusedError) as error:
            self.world.simulation.note(f"not retried: {error}")

    def look_at_one(self) -> None:
        """Look at some job that waits for review, and let it through or not."""
        with self.world.transaction() as conn:
            waiting = self._in_review(conn)
            if waiting:
                self._look_at(conn, self.world.simulation.random.choice(waiting))

    def look_from_now_on(self) -> None:
        """Look at each job that comes to wait for review, before long."""

        def look() -> None:
            while True:
                self._look_at_all()
                self.world.simulation.sleep(10.0)

        self.world.simulation.spawn(self._process, "operator", look)

    def _look_at_all(self) -> None:
        with self.world.transaction() as conn:
            for job_id in self._in_review(conn):
                self._look_at(conn, job_id)

    def reorder_one(self) -> None:
        """Give some job another priority, if it still waits."""
        with self.world.transaction() as conn:
            if job_id := self._some_job(conn):
                self.world.simulation.fault("job reordered")
                priority = self.world.simulation.random.randint(-100, 100)
                reorder(conn, job_id, priority=priority, expires_at=None)

    def _look_at(self, conn: psycopg.Connection, job_id: JobId) -> None:
        self.world.simulation.fault("job looked at")
        if self.world.simulation.chance(0.3):
            review.reject(conn, job_id, reason="test", clock=self._time())
        else:
            review.approve(conn, job_id, clock=self._time())

    @staticmethod
    def _in_review(conn: psycopg.Connection) -> list[JobId]:
        rows = conn.execute("SELECT id FROM jobs WHERE state = 'review' ORDER BY id").fetchall()
        return [JobId(row[0]) for row in rows]

    def _some_job(self, conn: psycopg.Connection) -> JobId | None:
        found = conn.execute("SELECT id FROM jobs ORDER BY id").fetchall()
        return JobId(self.world.simulation.random.choice(found)[0]) if found else None

    def _do(self, name: str, action: Callable[[], None]) -> None:
        self.busy += 1

        def run() -> None:
            action()
            self.busy -= 1

        self.world.simulation.spawn(self._process, name, run)

    def _upload_some(self, account: AccountId) -> None:
        simulation = self.world.simulation
        for number in range(simulation.random.randint(1, 5)):
            simulation.sleep(simulation.random.random() * 12)
            owner = STRANGER if simulation.chance(0.03) else account
            self._upload(owner, simulation.random.choice(PRESETS), f"{number}.png")

    def _upload(self, account: AccountId, preset: str, path: str) -> None:
        simulation = self.world.simulation
        key = keys.input_key(account, preset, path)
        if preset == "inpaint":
            pair = [key, keys.mask_key(key)]
            simulation.random.shuffle(pair)
            if simulation.chance(0.15):
                pair.pop()
            for half in pair:
                self._put(half)
                simulation.sleep(simulation.random.random() * 3)
            return
        if simulation.chance(0.1):
            self.world.store.put(key, b"no picture", _PNG)
            return
        if simulation.chance(0.05):
            self._put(f"{keys.INPUT_PREFIX}{account}/{path}")
            return
        self._put(key)
        if simulation.chance(0.15):
            simulation.sleep(simulation.random.random() * 8)
            simulation.fault("upload written over")
            self._put(key)
        if simulation.chance(0.1):
            simulation.sleep(simulation.random.random() * 8)
            simulation.fault("upload deleted")
            self.world.store.delete(key)

    def _put(self, key: str) -> None:
        self.world.simulation.note(f"uploads {key}")
        self.world.store.put(key, self._picture(), _PNG)

    def _picture(self) -> bytes:
        self._pictures += 1
        random = self.world.simulation.random
        fate = Fate.RESTORED if random.random() < 0.75 else random.choice(list(Fate))
        return picture(fate, self._pictures)

    def _ask_some(self, account: AccountId) -> None:
        simulation = self.world.simulation
        for number in range(simulation.random.randint(1, 3)):
            simulation.sleep(simulation.random.random() * 15)
            key = f"key-{number}"
            candidate = self._candidate(account, ids.api_job_id(account, key))
            for _ in range(simulation.random.choice((1, 1, 2, 3))):
                self._do(f"{account} calls", partial(self._call, candidate, key))

    def _candidate(self, account: AccountId, job_id: JobId) -> Candidate:
        simulation, body = self.world.simulation, self._picture()
        self._calls += 1
        source = keys.staged_key(account, ids.UploadId(f"upl_{self._calls:016}"))
        etag = self.world.store.put(source, body, _PNG)
        with_expiry = simulation.chance(0.25)
        return Candidate(
            job_id=job_id,
            account_id=account,
            origin=Origin.API,
            preset=None,
            parameters=simulation.random.choice((IdentityParameters(), UpscaleParameters())),
            bucket=self.world.store.bucket,
            source=StoredObject(source, etag),
            source_bytes=len(body),
            mask=None,
            facts=_header(body),
            requested_at=simulation.now(),
            expires_at=simulation.now() + timedelta(seconds=20) if with_expiry else None,
        )

    def _call(self, candidate: Candidate, key: str) -> None:
        """POST a job until there is an answer, as a client does with one idempotency key."""
        simulation = self.world.simulation
        answered: list[bool] = []
        while not answered:
            self._calls += 1
            server = Process(f"api.{self._calls}")
            calling = [True]
            server.on_death.append(calling.clear)

            def handle(server: Process = server, calling: list[bool] = calling) -> None:
                answered.extend(self._serve(server, candidate, key))
                calling.clear()

            simulation.spawn(server, "api", handle)
            while calling:
                simulation.sleep(0.2)

    def _serve(self, server: Process, candidate: Candidate, key: str) -> list[bool]:
        """Answer one request: the answers that the client gets, none for a 500."""
        database = Database(self.world.simulation, self.world.connections)
        try:
            with database.connection() as conn:
                job = submit(
                    conn,
                    candidate,
                    idempotency_key=key,
                    request_sha256=candidate.source.etag.encode().ljust(32, b"0")[:32],
                    clock=SimTime(self.world.simulation, server),
                    lifetime=LIFETIME,
                )
        except RefusedError as error:
            self.world.simulation.note(f"refused: {error}")
            return [True]
        except psycopg.OperationalError:
            return []
        self.accepted.add(job.id)
        return [True]

    def _time(self) -> SimTime:
        return SimTime(self.world.simulation, self._process)


def _header(body: bytes) -> Header:
    return Header(ImageFormat.PNG, int.from_bytes(body[16:20], "big"), 8, has_alpha=False)
