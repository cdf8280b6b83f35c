"""What goes wrong in a run: each seed has its own kinds of trouble, and its own measure of them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from domain.accounts import service as accounts
from domain.admission.facts import Subject, SubjectKind
from domain.admission.restrictions import Step
from domain.pipeline.restrain import release, restrain
from schemas.operations import OperationName
from tests.simulation.clients import OTHER, RICH
from tests.simulation.scheduler import Process, SimTime

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.ids import AccountId
    from tests.simulation.clients import Clients
    from tests.simulation.world import World

TROUBLE_S: Final = 60.0
_OFTEN: Final = 0.6

_DATABASE: Final = ("before begin", "before commit", "after commit")
_PRODUCER: Final = ("before produce", "amid produce", "after produce")
_READER: Final = ("after read", "before ack", "after ack")
_WRITER: Final = ("before upload", "after upload")
_POINTS: Final = {
    "intake": (*_READER, *_DATABASE, *_PRODUCER, "before asking the store"),
    "reconciler": (*_DATABASE, *_PRODUCER, "before asking the store"),
    "admission": (*_READER, *_DATABASE),
    "results": (*_READER, *_DATABASE),
    "billing": (*_READER, *_DATABASE),
    "problems": (*_READER, *_WRITER),
    "relay": (*_PRODUCER,),
    "dispatcher": _DATABASE,
    "sweeper": _DATABASE,
    "judge": _DATABASE,
    "presence": _DATABASE,
    "worker": (*_READER, *_DATABASE),
    "leases": _DATABASE,
    "attempt": (
        *("before asking the store", "amid restoring"),
        *(*_WRITER, "before produce", "after produce"),
    ),
    "api": _DATABASE,
}
CRASH_POINTS: Final = [f"{role} {what}" for role, points in _POINTS.items() for what in points]
"""Every place between two effects at which a process may die."""


class Trouble:
    """Brings faults for a while, then no more; `measure` multiplies the likelihood of each."""

    def __init__(self, world: World, clients: Clients, measure: float) -> None:
        self._world = world
        self._measure = measure
        self._clients = clients
        self._simulation = world.simulation
        self._process = Process("fate")
        self._running: dict[AccountId, set[tuple[str, int]]] = {}
        self._restricted: dict[
            str, tuple[AccountId, OperationName | None, set[tuple[str, int]]]
        ] = {}
        self.over = False

    def begin(self) -> None:
        """Draw what this run suffers from, and begin."""
        random, chances = self._simulation.random, self._simulation.chances
        for name, most in (
            ("crash", 0.01),
            ("error", 0.02),
            ("answer_lost", 0.02),
            ("lose_lock", 0.02),
            ("duplicate", 0.1),
            ("slow_upload", 0.5),
            ("store_event_lost", 0.5),
            ("store_event_late", 0.5),
        ):
            likelihood = min(1.0, most * self._measure * random.random())
            setattr(chances, name, likelihood if random.random() < _OFTEN else 0.0)
        for place in random.sample(CRASH_POINTS, k=random.randint(1, 5)):
            chances.sore[place] = 0.2 + 0.6 * random.random()
        actions = [
            self._kill,
            self._freeze,
            self._stop,
            self._broker_away,
            self._database_away,
            self._store_away,
            self._clock_jumps,
            self._steal_lock,
            self._clients.cancel_one,
            self._clients.retry_one,
            self._suspend,
            self._suspend_operation,
            self._review,
            self._clients.look_at_one,
            self._clients.reorder_one,
        ]
        chosen = [action for action in actions if random.random() < _OFTEN]
        if chosen:
            self._simulation.spawn(self._process, "fate", lambda: self._bring(chosen))
        else:
            self.over = True

    def end(self) -> None:
        """Lift what still bars accounts, and look at all that waits for it."""
        for account in list(self._running):
            self._resume(account)
        for finding in list(self._restricted):
            self._release(finding)
        self._clients.look_from_now_on()

    def _bring(self, actions: list[Callable[[], None]]) -> None:
        simulation = self._simulation
        pace = 1.0 + simulation.random.random() * 12
        while simulation.elapsed < TROUBLE_S:
            simulation.sleep(simulation.random.random() * pace)
            simulation.random.choice(actions)()
        self.over = True

    def _victim(self) -> Process:
        names = sorted(self._world.processes)
        return self._world.processes[self._simulation.random.choice(names)]

    def _kill(self) -> None:
        victim = self._victim()
        if victim.alive:
            self._simulation.fault("process killed")
            self._simulation.kill(victim)

    def _stop(self) -> None:
        victim = self._victim()
        if victim.alive and not victim.stopping:
            self._simulation.fault("process stopped in order")
            victim.stopping = True

    def _freeze(self) -> None:
        self._simulation.fault("process frozen")
        self._victim().frozen_until = (
            self._simulation.elapsed + self._simulation.random.random() * 60
        )

    def _broker_away(self) -> None:
        self._simulation.fault("kafka away")
        self._world.broker.away = True
        self._simulation.sleep(self._simulation.random.random() * 15)
        self._world.broker.away = False

    def _database_away(self) -> None:
        self._simulation.fault("postgres away")
        self._world.connections.away = True
        self._world.connections.lose_locks()
        self._simulation.sleep(self._simulation.random.random() * 15)
        self._world.connections.away = False

    def _store_away(self) -> None:
        self._simulation.fault("store away")
        self._world.store_away = True
        self._simulation.sleep(self._simulation.random.random() * 15)
        self._world.store_away = False

    def _steal_lock(self) -> None:
        self._simulation.fault("lock lost unnoticed")
        self._world.connections.lose_locks()

    def _clock_jumps(self) -> None:
        self._simulation.fault("clock jumps")
        seconds = self._simulation.random.choice((-3600, -60, -5, 5, 60, 3600))
        self._victim().skew = timedelta(seconds=seconds)

    def _suspend(self) -> None:
        account = self._simulation.random.choice((RICH, OTHER))
        if account in self._running:
            self._resume(account)
        else:
            self._when_work_is_on_its_way(lambda _: self._suspend_now(account), account)

    def _suspend_now(self, account: AccountId) -> None:
        if account in self._running:
            return
        self._simulation.fault("account suspended")
        with self._world.transaction() as conn:
            accounts.suspend(conn, account, reason="test", by="operator", at=self._simulation.now())
        self._running[account] = self._started(account)

    def _when_work_is_on_its_way(
        self, strike: Callable[[OperationName], None], account: AccountId
    ) -> None:
        """Strike when a job of an account has been dispatched and not claimed yet, if ever."""

        def watch() -> None:
            while not self.over:
                with self._world.transaction() as conn:
                    row = conn.execute(
                        "SELECT operation FROM jobs WHERE state = 'dispatched'"
                        " AND account_id = %s ORDER BY id LIMIT 1",
                        (account,),
                    ).fetchone()
                if row is not None:
                    strike(OperationName(row[0]))
                    return
                self._simulation.sleep(0.1)

        self._simulation.spawn(self._process, "strike", watch)

    def _resume(self, account: AccountId) -> None:
        before = self._running.pop(account)
        self._simulation.findings.extend(
            f"suspended: {job}, attempt {attempt}, started while {account} was"
            for job, attempt in sorted(self._started(account) - before)
        )
        with self._world.transaction() as conn:
            accounts.resume(conn, account, by="operator", at=self._simulation.now())

    def _suspend_operation(self) -> None:
        account = self._simulation.random.choice((RICH, OTHER))
        held = [f for f, (whose, op, _) in self._restricted.items() if whose == account and op]
        if held:
            self._release(held[0])
        else:
            self._when_work_is_on_its_way(
                lambda operation: self._suspend_operation_now(account, operation), account
            )

    def _suspend_operation_now(self, account: AccountId, operation: OperationName) -> None:
        finding = f"fnd_{account}_{operation}"
        if finding in self._restricted:
            return
        self._simulation.fault("operation suspended")
        self._restrain(finding, account, Step.SUSPEND_OPERATION, operation)
        self._restricted[finding] = (account, operation, self._started(account, operation))

    def _review(self) -> None:
        account = self._simulation.random.choice((RICH, OTHER))
        finding = f"fnd_{account}"
        if finding in self._restricted:
            self._release(finding)
            return
        self._simulation.fault("account under review")
        self._restrain(finding, account, Step.REVIEW, None)
        self._restricted[finding] = (account, None, set())

    def _restrain(
        self, finding: str, account: AccountId, step: Step, operation: OperationName | None
    ) -> None:
        with self._world.transaction() as conn:
            conn.execute(
                "INSERT INTO abuse_findings (id, rule, plan, version, mode, severity, kind,"
                " subject, level, step, window_start, window_end, evidence, found_at, last_at,"
                " state)"
                " SELECT %s, 'fate', '*', 1, 'enforced', 'high', 'account', %s, 0, %s,"
                " now() - interval '1 minute', now(), '{}', now(), now(), 'over'"
                " ON CONFLICT DO NOTHING",
                (finding, account, step),
            )
            restrain(
                conn,
                Subject(SubjectKind.ACCOUNT, account),
                step,
                operation=operation,
                finding_id=finding,
                reason="test",
                by="operator",
                until=None,
                clock=SimTime(self._simulation, self._process),
            )

    def _release(self, finding: str) -> None:
        account, operation, before = self._restricted.pop(finding)
        if operation is not None:
            self._simulation.findings.extend(
                f"suspended: {job}, attempt {attempt}, started while {operation} of {account} was"
                for job, attempt in sorted(self._started(account, operation) - before)
            )
        with self._world.transaction() as conn:
            release(conn, finding, by="operator", clock=SimTime(self._simulation, self._process))

    def _started(
        self, account: AccountId, operation: OperationName | None = None
    ) -> set[tuple[str, int]]:
        with self._world.transaction() as conn:
            rows = conn.execute(
                "SELECT t.job_id, t.attempt FROM transitions t JOIN jobs j ON j.id = t.job_id"
                " WHERE t.state = 'running' AND j.account_id = %s"
                " AND (%s::text IS NULL OR j.operation = %s)",
                (account, operation, operation),
            ).fetchall()
        return {(job, attempt) for job, attempt in rows}
