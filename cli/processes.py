"""`picmend doctor --process`: whether one process works, judged as its supervisor judges it."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cli.checks import Check
from cli.context import data_dir_of, load_environment
from infra.kafka_lag import STREAMS, WORKERS, Group
from infra.settings import Settings
from infra.stack.judgement import PATIENCE_S, Finding, ProcessJudge, Standing
from infra.stack.looks import Looker, Target, monitor_of
from infra.stack.stack import settings_of

_GROUPS: Final[Mapping[str, Group | None]] = {"api": None, "streams": STREAMS, "worker": WORKERS}
_PARTS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "relay": ("streams", ("relay", "outbox")),
    "dispatcher": ("streams", ("dispatcher",)),
    "sweeper": ("streams", ("sweeper",)),
    "judge": ("streams", ("judge",)),
    "reconciler": ("streams", ("reconciler",)),
    "leases": ("worker", ("leases",)),
    "jobs": ("worker", ("jobs",)),
}
_ALWAYS: Final = ("health", "ready")
_LOOK_EVERY_S: Final = 1.0
LONGEST_S: Final = PATIENCE_S + 5.0
"""How long it may take until it is clear how a process stands."""

PROCESS_NAMES: Final = (*_GROUPS, *_PARTS)
"""What `--process` takes: a process, or one part of the process that has it."""


def process_checks(name: str, data_dir: Path | None) -> tuple[Check, ...]:
    """Look at one of `PROCESS_NAMES` until it is clear how it stands, at most `LONGEST_S`.

    Its monitor is where `PICMEND_MONITOR_PORT` says, as in a container of its own, or else where
    its supervisor was told. Raises `StackError` when there is no stack.
    """
    process, subjects = _PARTS.get(name, (name, ()))
    environment = load_environment(data_dir)
    settings = settings_of(environment)
    monitor = _fixed(settings) or monitor_of(data_dir_of(data_dir), process)
    if monitor is None:
        return (
            Check(
                process,
                ok=False,
                found="is not ready, or does not run",
                mend=f"look at `picmend status`, and into logs/{process}.log",
            ),
        )
    target = Target(process, lambda: monitor, _GROUPS[process])
    found = _look(settings, target, (*_ALWAYS, *subjects) if subjects else ())
    if not found:
        return (Check(process, ok=True, found="its servers do not answer: nothing can be told"),)
    checks = tuple(_check(process, finding, monitor) for finding in found)
    seen = {finding.subject for finding in found}
    if name in _PARTS and "ready" in seen and name not in seen:
        return (*checks, Check(name, ok=False, found=f"is not part of {process} here"))
    return checks


def _fixed(settings: Settings) -> str | None:
    if not settings.monitor_port:
        return None
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - an address to ask, not to bind
    host = everywhere.get(settings.monitor_host, settings.monitor_host)
    return f"{host}:{settings.monitor_port}"


def _look(settings: Settings, target: Target, wanted: tuple[str, ...]) -> tuple[Finding, ...]:
    """Look until nothing that is wanted (all, if nothing is named) is unsure any more."""
    looker, judge = Looker(settings, (target,)), ProcessJudge()
    found: tuple[Finding, ...] = ()
    deadline = time.monotonic() + LONGEST_S
    try:
        while time.monotonic() < deadline:
            looks = looker.look()
            now = judge.observe(time.monotonic(), looks[target.name] if looks else None)
            found = tuple(f for f in now if not wanted or f.subject in wanted) or found
            if now and all(finding.standing is not Standing.UNSURE for finding in found):
                break
            if any(finding.standing is Standing.STUCK for finding in found):
                break
            time.sleep(_LOOK_EVERY_S)
    finally:
        looker.close()
    return found


def _check(process: str, finding: Finding, monitor: str) -> Check:
    stuck = finding.standing is Standing.STUCK
    unsure = " (for too short a time to be sure)" if finding.standing is Standing.UNSURE else ""
    where = f" at {monitor}" if finding.subject == "health" else ""
    return Check(
        f"{process}: {finding.subject}",
        ok=not stuck,
        found=f"{finding.found}{where}{unsure}",
        mend=f"end {process} with SIGKILL: it is started again. Its log says what it did last",
    )
