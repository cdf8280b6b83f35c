"""Everything in one thread, with time of its own, drawn from one seed.

Each simulated process has fibres (greenlets), one per thread of the real one. A fibre runs real
code until it comes to a point: a call to a server, or a sleep. There the seed decides who runs
next, how much time passes, and whether the process dies.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter, deque
from concurrent import futures
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Final, NoReturn

from greenlet import greenlet
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable

EPOCH: Final = datetime(2026, 11, 2, 8, tzinfo=UTC)
LAST_LINES: Final = 4000


class Crash(BaseException):
    """The process that this fibre belongs to is no more."""


class SimulationStuckError(Exception):
    """Nobody can go on, or it goes on for ever: the model or the product hangs."""


@dataclass(eq=False)
class Process:
    """One simulated process: it can die, be frozen, and have a wrong clock.

    `stopping` asks it to end in order; `ended` counts the parts of it that have.
    """

    name: str
    alive: bool = True
    frozen_until: float = 0.0
    skew: timedelta = timedelta()
    stopping: bool = False
    ended: int = 0
    on_death: list[Callable[[], None]] = field(default_factory=list)


@dataclass(eq=False)
class Fibre:
    """One thread of a process; it runs again at `wake_at`, in simulated seconds."""

    name: str
    process: Process
    greenlet: greenlet
    wake_at: float

    @property
    def ready_at(self) -> float:
        return max(self.wake_at, self.process.frozen_until)


@dataclass
class Chances:
    """How likely each fault is at each point; zero when the simulation calms down.

    `sore` are points, as `role what`, at which a process dies far more often than elsewhere.
    """

    crash: float = 0.0
    sore: dict[str, float] = field(default_factory=dict)
    error: float = 0.0
    answer_lost: float = 0.0
    lose_lock: float = 0.0
    duplicate: float = 0.0
    slow_upload: float = 0.0
    store_event_lost: float = 0.0
    store_event_late: float = 0.0


class Simulation:
    """The scheduler. `faults` counts what was injected, by kind; `trace` tells what happened."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.elapsed = 0.0
        self.chances = Chances()
        self.faults: Counter[str] = Counter()
        self.findings: list[str] = []
        self.trace: deque[str] = deque(maxlen=LAST_LINES)
        self.turns = 0
        self._digest = hashlib.sha256()
        self._fibres: list[Fibre] = []
        self._dying: list[Process] = []
        self._current: Fibre | None = None
        self._hub = greenlet.getcurrent()

    @property
    def digest(self) -> str:
        """Return a hash of all that happened: the same seed must give the same."""
        return self._digest.hexdigest()[:16]

    def now(self) -> datetime:
        """Return the true time."""
        return EPOCH + timedelta(seconds=self.elapsed)

    def note(self, text: str) -> None:
        """Add a line to the trace."""
        who = self._current.name if self._current else "-"
        line = f"{self.elapsed:12.3f} {who:24} {text}"
        self.trace.append(line)
        self._digest.update(line.encode())

    def chance(self, likelihood: float) -> bool:
        """Draw whether something happens."""
        return likelihood > 0 and self.random.random() < likelihood

    def inject(self, kind: str, likelihood: float) -> bool:
        """Draw whether a fault happens, and count it if so."""
        if not self.chance(likelihood):
            return False
        self.fault(kind)
        return True

    def fault(self, kind: str) -> None:
        """Count a fault that is being injected."""
        self.faults[kind] += 1
        self.note(f"FAULT {kind}")

    def spawn(self, process: Process, name: str, body: Callable[[], None]) -> None:
        """Start a fibre of a process. What it raises, but for its death, is a finding."""

        def run() -> None:
            try:
                body()
            except Crash:
                return
            except Exception as error:  # noqa: BLE001 - nothing may escape a process unseen
                self.findings.append(f"{process.name}/{name} raised {error!r}")
                self.note(f"RAISED {error!r}")

        # Whichever fibre spawns it, it goes back to the hub when it ends.
        thread = greenlet(run, parent=self._hub)
        self._fibres.append(Fibre(f"{process.name}/{name}", process, thread, self.elapsed))

    def point(self, what: str, *, switch: bool = True) -> None:
        """A place between two effects: others may run here, and the process may die.

        Inside of a transaction, `switch` is false.
        """
        fibre = self._here()
        here = f"{fibre.name.rpartition('/')[2]} {what}"
        if self.inject(f"crash: {here}", self.chances.sore.get(here, self.chances.crash)):
            self.die()
        if switch:
            self.sleep(0.0)

    def die(self) -> NoReturn:
        """End the process of the fibre that runs."""
        self.kill(self._here().process)
        raise Crash

    def sleep(self, seconds: float) -> None:
        """Let others run, and time pass."""
        fibre = self._here()
        fibre.wake_at = self.elapsed + seconds
        self._hub.switch()
        if not fibre.process.alive:
            raise Crash

    def kill(self, process: Process) -> None:
        """End a process where it stands; its fibres notice at their next point."""
        if process.alive:
            process.alive = False
            self._dying.append(process)

    def run(self, done: Callable[[], bool], *, within_s: float, turns: int = 100_000) -> bool:
        """Run until `done()`, asked between turns, or so much time has passed; tell which."""
        deadline = self.elapsed + within_s
        limit = self.turns + turns
        while True:
            self._bury_the_dead()
            if done():
                return True
            if not self._fibres:
                raise SimulationStuckError("no fibre is left")
            if self.turns > limit:
                raise SimulationStuckError(f"{turns} turns, and no end")
            now = self.elapsed
            ready = [
                fibre
                for fibre in self._fibres
                if fibre.wake_at <= now and fibre.process.frozen_until <= now
            ]
            if not ready:
                self.elapsed = min(fibre.ready_at for fibre in self._fibres)
                if self.elapsed > deadline:
                    return False
                continue
            self._turn(self.random.choice(ready))
            self.elapsed += self.random.random() * 0.004

    def skip(self, seconds: float) -> None:
        """Let much time pass in which nobody does anything."""
        self.elapsed += seconds
        self.note(f"{seconds:.0f} s later")

    def close(self) -> None:
        """Unwind every fibre."""
        for process in {fibre.process.name: fibre.process for fibre in self._fibres}.values():
            process.on_death.clear()
            self.kill(process)
        self._bury_the_dead()

    def _turn(self, fibre: Fibre) -> None:
        self.turns += 1
        self._current = fibre
        fibre.greenlet.switch()
        self._current = None
        if fibre.greenlet.dead:
            self._fibres.remove(fibre)

    def _bury_the_dead(self) -> None:
        """Unwind the fibres of processes that died, which can have no effect any more."""
        while self._dying:
            process = self._dying.pop(0)
            for fibre in [f for f in self._fibres if f.process is process]:
                self._current = fibre
                if fibre.greenlet:  # one that has not begun has nothing to unwind
                    fibre.greenlet.throw(Crash)
                self._fibres.remove(fibre)
            self._current = None
            self.note(f"{process.name} is dead")
            waiting, process.on_death = process.on_death, []
            for tell in waiting:
                tell()

    def _here(self) -> Fibre:
        fibre = self._current
        if fibre is None:
            raise SimulationStuckError("called outside of a fibre")
        if not fibre.process.alive:
            raise Crash
        return fibre


class SimTime:
    """The time as one process sees it: its clock may be wrong, its seconds are right."""

    def __init__(self, simulation: Simulation, process: Process) -> None:
        self._simulation = simulation
        self._process = process

    def now(self) -> datetime:
        return self._simulation.now() + self._process.skew

    def monotonic(self) -> float:
        return self._simulation.elapsed

    def sleep(self, seconds: float) -> None:
        self._simulation.sleep(seconds)


class InTurn(futures.Executor):
    """Runs what it is given at once, in the fibre that asks."""

    @override
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> futures.Future[Any]:
        future: futures.Future[Any] = futures.Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - handed on, as executors do
            future.set_exception(error)
        return future


class FibrePool(futures.Executor):
    """Runs what it is given in fibres of one process."""

    def __init__(self, simulation: Simulation, process: Process, name: str) -> None:
        self._simulation = simulation
        self._process = process
        self._name = name

    @override
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> futures.Future[Any]:
        self._simulation.spawn(self._process, self._name, lambda: fn(*args, **kwargs))
        return futures.Future()


class SimCondition(threading.Condition):
    """A condition whose waiting lets simulated time pass; it may wake early, as real ones do."""

    def __init__(self, simulation: Simulation) -> None:
        super().__init__()
        self._simulation = simulation

    @override
    def wait(self, timeout: float | None = None) -> bool:
        self.release()
        try:
            self._simulation.sleep(self._simulation.random.random() * (timeout or 1.0))
        finally:
            self.acquire()
        return True

    @override
    def notify_all(self) -> None:
        return
