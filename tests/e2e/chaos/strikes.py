"""Faults carried out on a running system, and how long it took to recover from each."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import httpx
import psycopg

from domain.accounts import service as accounts
from infra.kafka_lag import STREAMS, WORKERS, Group
from infra.stack import Running
from infra.stack.child import Identity
from infra.stack.errors import ServerFailedError
from infra.stack.server import Server
from schemas.ids import AccountId
from tests.e2e.chaos.eyes import Commits, Eyes
from tests.e2e.chaos.schedule import Fault, Kind, Strike
from tests.e2e.customer import CLOCK

TARGETS_S: Final = {
    Kind.KILL: 12.0,
    Kind.KILL_RELAY: 12.0,
    Kind.FREEZE: 30.0,
    Kind.AWAY: 30.0,
}
"""Within how many seconds a system is to have recovered: from the strike, or from the return of
a server that was away."""

_GROUPS: Final[dict[str, Group]] = {"streams": STREAMS, "worker": WORKERS}
_AT_WORK_S: Final = 10.0
_GLANCE_S: Final = 0.1
_BASELINE_S: Final = 1.0
_GIVE_UP_S: Final = 90.0
_OPERATOR_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Measured:
    """How long recovery took, in seconds.

    After a kill or a freeze of a consumer: `first_s` until its group committed on a partition
    that lagged, `all_s` until it had on each that did. Of the API: until it was ready. After
    a server was away: from its return until everything sent was finished. None: it was not
    seen within a minute and a half, or nothing lagged.
    """

    fault: Fault
    first_s: float | None
    all_s: float | None
    note: str = ""


class Striker:
    """Carries out faults, also several at once; those on one target wait for each other."""

    def __init__(
        self,
        system: Running,
        eyes: Eyes,
        account: AccountId,
        *,
        caught_up: Callable[[], bool],
        tell: Callable[[str], None],
    ) -> None:
        self._system = system
        self._eyes = eyes
        self._account = account
        self._caught_up = caught_up
        self._tell = tell
        self._turns = {
            target: threading.Lock()
            for target in ("streams", "worker", "api", "postgres", "kafka", "store", "account")
        }

    def strike(self, strike: Strike, struck: Callable[[], None]) -> Measured | None:
        """Carry out a fault to its end, and wait for the recovery of one that strikes alone.

        `struck` is called as soon as it has its effect.
        """
        fault = strike.fault
        with self._turns[fault.target]:
            match fault.kind:
                case Kind.KILL | Kind.KILL_RELAY | Kind.FREEZE:
                    return self._signal(strike, struck)
                case Kind.TERM:
                    return self._terminate(strike, struck)
                case Kind.RESTART | Kind.AWAY:
                    return self._stop_server(strike, struck)
                case Kind.SUSPEND:
                    self._suspend(fault.seconds, struck)
                    return None

    def _signal(self, strike: Strike, struck: Callable[[], None]) -> Measured | None:
        fault = strike.fault
        process = self._system.process(fault.target)
        process.wait_ready()
        if fault.kind is Kind.KILL_RELAY:
            self._await_moment(self._eyes.outbox_waits)
        else:
            self._await_moment(self._at_work)
        victim = process.status().identity
        if victim is None:
            struck()
            return Measured(fault, None, None, "it had ended by itself")
        since = time.monotonic()
        freeze = fault.kind is Kind.FREEZE
        victim.signal(signal.SIGSTOP if freeze else signal.SIGKILL)
        struck()
        with ThreadPoolExecutor(1) as beside:
            note = beside.submit(self._thaw, victim, since + fault.seconds) if freeze else None
            measured = self._recovery(fault, since) if strike.alone else None
            told = note.result() if note else ""
        # Until its end has been noticed it passes for ready.
        self._seconds_until(lambda: victim.alive() or process.status().identity != victim, since)
        process.wait_ready()
        return Measured(fault, *measured, told) if measured else None

    def _thaw(self, victim: Identity, at: float) -> str:
        """Let a frozen process go on at a time; say what became of it."""
        frozen = time.monotonic()
        while time.monotonic() < at:
            if not victim.alive():
                return f"replaced after {time.monotonic() - frozen:.1f} s"
            time.sleep(_GLANCE_S)
        victim.signal(signal.SIGCONT)
        return f"thawed after {time.monotonic() - frozen:.1f} s"

    def _terminate(self, strike: Strike, struck: Callable[[], None]) -> Measured | None:
        fault = strike.fault
        process = self._system.process(fault.target)
        process.wait_ready()
        self._await_moment(self._at_work)
        since = time.monotonic()
        process.stop()
        ended = time.monotonic() - since
        struck()
        process.start()
        measured = self._recovery(fault, since) if strike.alone else None
        process.wait_ready()
        return Measured(fault, *measured, f"ended in {ended:.1f} s") if measured else None

    def _stop_server(self, strike: Strike, struck: Callable[[], None]) -> Measured | None:
        fault = strike.fault
        server = self._system.server(fault.target)
        self._await_moment(self._at_work)
        server.stop()
        struck()
        # It is the time away that is tested.
        threading.Event().wait(fault.seconds)
        self._start(server)
        if not strike.alone:
            return None
        returned = time.monotonic()
        took = self._seconds_until(self._caught_up, returned)
        return Measured(fault, took, took, "" if took else "not caught up")

    def _start(self, server: Server) -> None:
        """Start a server again and again, as an init system does: one may need another."""
        deadline = time.monotonic() + _OPERATOR_S
        while True:
            try:
                server.start()
            except ServerFailedError:
                if time.monotonic() > deadline:
                    raise
            else:
                return

    def _suspend(self, seconds: float, struck: Callable[[], None]) -> None:
        self._operate(
            lambda conn: accounts.suspend(
                conn, self._account, reason="storm", by="operator", at=CLOCK.now()
            )
        )
        struck()
        threading.Event().wait(seconds)
        self._operate(
            lambda conn: accounts.resume(conn, self._account, by="operator", at=CLOCK.now())
        )

    def _operate(self, act: Callable[[psycopg.Connection], object]) -> None:
        """Do what an operator does, who asks again when the database is away."""
        deadline = time.monotonic() + _OPERATOR_S
        url = self._system.settings().database_url.get_secret_value()
        while True:
            try:
                with psycopg.connect(url, connect_timeout=2) as conn:
                    act(conn)
                    return
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_GLANCE_S)

    def _at_work(self) -> bool:
        under_way = self._eyes.under_way()
        return under_way is not None and under_way.jobs > 0

    def _await_moment(self, has_come: Callable[[], bool]) -> None:
        if self._seconds_until(has_come, time.monotonic(), within_s=_AT_WORK_S, every_s=0) is None:
            self._tell("no work under way; it strikes all the same")

    def _recovery(self, fault: Fault, since: float) -> tuple[float | None, float | None]:
        group = _GROUPS.get(fault.target)
        if group is not None:
            return self._until_commits_move(group, since)
        ready = self._seconds_until(self._api_ready, since)
        return ready, ready

    def _until_commits_move(self, group: Group, since: float) -> tuple[float | None, float | None]:
        """Measure until the group commits again where it lagged just after `since`."""
        commits = Commits(self._system.settings().kafka_bootstrap)
        try:
            baseline: dict[tuple[str, int], int] = {}
            first: float | None = None
            while (passed := time.monotonic() - since) < _GIVE_UP_S:
                seen = commits.read(group) or {}
                if passed < _BASELINE_S or not baseline:
                    # What was committed by the victim in its last moment is not a recovery.
                    baseline |= {at: now.committed for at, now in seen.items() if now.lag}
                else:
                    moved = {at for at, from_ in baseline.items() if seen[at].committed > from_}
                    now = time.monotonic() - since
                    if moved and first is None:
                        first = now
                    if len(moved) == len(baseline):
                        return first, now
                time.sleep(_GLANCE_S)
            return first, None
        finally:
            commits.close()

    def _api_ready(self) -> bool:
        try:
            answer = httpx.get(f"{self._system.api_url}/readyz", timeout=1.0)
        except httpx.TransportError:
            return False
        return answer.status_code == HTTPStatus.OK

    def _seconds_until(
        self,
        holds: Callable[[], bool],
        since: float,
        *,
        within_s: float = _GIVE_UP_S,
        every_s: float = _GLANCE_S,
    ) -> float | None:
        while not holds():
            if time.monotonic() - since > within_s:
                return None
            time.sleep(every_s)
        return time.monotonic() - since
