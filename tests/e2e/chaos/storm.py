"""A storm: a load, faults amid it by a schedule, and what is left when all is quiet again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Final

from infra.kafka_lag import STREAMS, WORKERS
from infra.stack import Running
from tests.e2e.chaos.eyes import Commits, Eyes
from tests.e2e.chaos.invariants import Finding, findings
from tests.e2e.chaos.observed import Observed, observe
from tests.e2e.chaos.schedule import Kind, Strike
from tests.e2e.chaos.strikes import Measured, Striker
from tests.e2e.chaos.traffic import Load, enrol_accounts

_SENT_WITHIN_S: Final = 120.0
_SETTLED_WITHIN_S: Final = 180.0
STRIKES_AT_ONCE: Final = 8
_GLANCE_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Told:
    """What a storm tells while it goes on: a line, and how many jobs have been sent."""

    text: str
    sent: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a storm did, what was measured, and everything that was wrong at its end."""

    seed: int
    jobs: int
    seconds: float
    settled_s: float
    faults: Counter[str]
    tally: Counter[str]
    states: Counter[str]
    measured: tuple[Measured, ...]
    observed: Observed
    findings: tuple[Finding, ...]


def storm(
    system: Running,
    schedule: Sequence[Strike],
    *,
    seed: int,
    jobs: int,
    hands: Executor,
    tell: Callable[[Told], None],
) -> Report:
    """Send `jobs` jobs through a system that is used by nobody else, strike it, and look.

    `hands` carry the faults out; servers that they started anew die with their threads.
    Raises what carrying out a fault raised, and `TimeoutError` when the load stands still.
    """
    settings = system.settings()
    accounts = enrol_accounts(settings)
    eyes = Eyes(settings.database_url.get_secret_value())
    load = Load(settings, system.api_url, accounts, seed=seed)
    begun = time.monotonic()

    def say(text: str) -> None:
        tell(Told(f"{time.monotonic() - begun:6.1f} s  {text}", load.done))

    def caught_up() -> bool:
        seen = eyes.under_way()
        return load.all_done() and seen is not None and seen.finished(load.uploads)

    striker = Striker(system, eyes, accounts[0].id, caught_up=caught_up, tell=say)
    with closing(eyes), load.running():
        measured = _strike_all(striker, schedule, load, hands, say)
        load.release(jobs)
        load.wait_done(jobs, within_s=_SENT_WITHIN_S)
        say("everything is sent, and the last fault is over; waiting for quiet")
        over = time.monotonic()
        settled = _settle(system, caught_up)
        settled_s = time.monotonic() - over
    say(f"quiet after {settled_s:.1f} s" if settled else f"not quiet after {settled_s:.0f} s")
    observed = observe(settings, load.sent())
    return Report(
        seed=seed,
        jobs=jobs,
        seconds=time.monotonic() - begun,
        settled_s=settled_s,
        faults=Counter(str(strike.fault.kind) for strike in schedule),
        tally=load.tally,
        states=Counter(job.state for job in observed.jobs),
        measured=tuple(measured),
        observed=observed,
        findings=tuple(findings(observed)),
    )


def _strike_all(
    striker: Striker,
    schedule: Sequence[Strike],
    load: Load,
    hands: Executor,
    say: Callable[[str], None],
) -> list[Measured]:
    under_way: dict[str, Future[Measured | None]] = {}
    measured: list[Measured] = []

    def await_these(targets: Sequence[str]) -> None:
        for target in targets:
            future = under_way.pop(target, None)
            result = future.result() if future else None
            if result is not None:
                measured.append(result)
                say(f"  {told(result)}")

    for number, strike in enumerate(schedule, 1):
        target = strike.fault.target
        await_these(list(under_way) if strike.alone else [target])
        load.release(strike.midway)
        load.wait_done(strike.at, within_s=_SENT_WITHIN_S)
        say(f"{number:2}/{len(schedule)}  {strike.fault}{', alone' if strike.alone else ''}")
        struck = partial(load.release, strike.until)
        under_way[target] = hands.submit(striker.strike, strike, struck)
        if strike.alone:
            await_these([target])
    await_these(list(under_way))
    return measured


def _settle(system: Running, caught_up: Callable[[], bool]) -> bool:
    """Wait until nothing is left to be done, nor to be read by anybody."""
    deadline = time.monotonic() + _SETTLED_WITHIN_S
    commits = Commits(system.settings().kafka_bootstrap)
    try:
        while not (caught_up() and _all_read(commits)):
            if time.monotonic() > deadline:
                return False
            time.sleep(_GLANCE_S)
        return True
    finally:
        commits.close()


def _all_read(commits: Commits) -> bool:
    standing = [commits.read(group) for group in (STREAMS, WORKERS)]
    return all(seen is not None and not any(at.lag for at in seen.values()) for seen in standing)


def told(measured: Measured) -> str:
    """Say a measurement in a line."""
    if measured.all_s is None:
        took = "recovery not seen"
    elif measured.fault.kind in (Kind.AWAY, Kind.RESTART):
        took = f"caught up {measured.all_s:.1f} s after its return"
    elif measured.fault.target == "api":
        took = f"ready after {measured.all_s:.1f} s"
    else:
        took = f"commits after {measured.first_s:.1f} s, on all partitions {measured.all_s:.1f} s"
    return f"{measured.fault}: {took}" + (f" ({measured.note})" if measured.note else "")
