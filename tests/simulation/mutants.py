"""Builds of picmend that are broken on purpose: what the simulator must find.

Each changes one piece of text in one function, and nothing else. One whose text is no longer
there raises, so that none goes on passing for a mutation that it no longer makes.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, Final

import psycopg

import domain.admission.facts_store
import domain.billing.service
import domain.jobs.model
import domain.jobs.outbox
import domain.jobs.store
import domain.pipeline.allot
import domain.pipeline.claim
import domain.pipeline.end
import domain.pipeline.sweep
import processors.worker.loop
import streams.reconciler
import streams.relay
import tests.simulation.processes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


@dataclass(frozen=True, slots=True)
class Change:
    """A text in a function of a module, dotted where it is a method's, and what stands instead."""

    module: ModuleType
    function: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class FunctionInDatabase:
    """A text in a function of the database, and what stands instead."""

    function: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """A build that breaks a promise. `expected` is how a finding of it may begin."""

    name: str
    changes: tuple[Change | FunctionInDatabase, ...]
    expected: tuple[str, ...]


MUTANTS: Final = (
    Mutant(
        "the outbox is written after the commit",
        (
            Change(
                domain.jobs.outbox,
                "put",
                "conn.execute(",
                "(lambda *asked: conn.afterwards.append(lambda later: later.execute(*asked)))(",
            ),
        ),
        ("usage: ", "events: ", "does not settle: "),
    ),
    Mutant(
        "an ended job can end again",
        (
            Change(domain.jobs.store, "end", " AND jobs.ended_at IS NULL", ""),
            Change(domain.pipeline.end, "end_batch", "and may_end(job, ending)", "and True"),
        ),
        ("illegal: ", "money: ", "dead: ", "usage: "),
    ),
    Mutant(
        "a claim asks for no state",
        (Change(domain.jobs.store, "claim", "state = 'dispatched' AND ", ""),),
        ("illegal: ", "unclaimed: ", "worker-"),
    ),
    Mutant(
        "a claim asks for no attempt",
        (Change(domain.jobs.store, "claim", " AND jobs.attempt = c.attempt", ""),),
        ("illegal: ", "unclaimed: ", "worker-"),
    ),
    Mutant(
        "a claim takes no heed of leases",
        (
            Change(
                domain.jobs.store,
                "claim",
                "state = 'dispatched'",
                "state IN ('dispatched', 'running')",
            ),
        ),
        ("illegal: ", "unclaimed: "),
    ),
    Mutant(
        "an agent acknowledges before it has committed",
        (
            Change(
                tests.simulation.processes,
                "Streams._agent",
                "supervised.carry_through(batch)",
                "(consumer.commit(batch), supervised.carry_through(batch))",
            ),
        ),
        ("lost: ", "does not settle: ", "result: ", "usage: "),
    ),
    Mutant(
        "a worker acknowledges before it has claimed",
        (
            Change(
                processors.worker.loop,
                "Worker._take_in",
                "for message in messages:",
                "self._consumer.commit(messages)\n    for message in messages:",
            ),
        ),
        ("slow: ",),
    ),
    Mutant(
        "a hold can be closed twice",
        (
            FunctionInDatabase(
                "billing_record_usage",
                "WHEN k.state <> 'open' OR k.place > 1 THEN 'repeated'",
                "WHEN false THEN 'repeated'",
            ),
        ),
        ("money: ", "ledger: ", "dead: "),
    ),
    Mutant(
        "the word of an old attempt counts",
        (
            Change(
                domain.jobs.model,
                "may_end",
                "return not fenced or ending.attempt == job.attempt",
                "return True",
            ),
            Change(domain.pipeline.end, "end_batch", "may_end(job", "model.may_end(job"),
        ),
        ("stale: ",),
    ),
    Mutant(
        "the relay deletes before it sends",
        (
            Change(
                streams.relay,
                "Relay.step",
                "self._producer.send_all(",
                "outbox.delete(conn, [row.id for row in rows]); self._producer.send_all(",
            ),
        ),
        ("events: ", "usage: ", "does not settle: "),
    ),
    Mutant(
        "jobs of suspended accounts start",
        (Change(domain.jobs.store, "claim", "account_id = ANY(%s)", "%s::text[] IS NOT NULL"),),
        ("suspended: ",),
    ),
    Mutant(
        "jobs of suspended operations start",
        (Change(domain.pipeline.claim, "_suspended", "operation in", "None in"),),
        ("suspended: ",),
    ),
    Mutant(
        "nobody looks for lost events",
        (Change(streams.reconciler, "Reconciler.step", "self.take_pass()", "0"),),
        ("lost: ",),
    ),
    Mutant(
        "a lease that is over is nobody's business",
        (Change(domain.pipeline.sweep, "sweep_leases", "BATCH)", "0)"),),
        ("does not settle: ",),
    ),
    Mutant(
        "a job is queued without a hold",
        (
            Change(
                domain.pipeline.allot,
                "allot",
                "[one for one in fitting if not one.review]",
                "[one for one in fitting if not one.review][1:]",
            ),
        ),
        ("money: ", "dead: ", "does not settle: ", "raised"),
    ),
    Mutant(
        "a share that came to nothing is kept",
        (Change(domain.jobs.model, "gives_back", "JobState.FAILED:", "None:"),),
        ("quota: ",),
    ),
    Mutant(
        "a share goes back whenever a job ends",
        (
            Change(
                domain.jobs.model,
                "gives_back",
                "return never_began and ended.state is not JobState.SUCCEEDED",
                "return True",
            ),
            Change(domain.pipeline.end, "end_batch", "if gives_back(", "if model.gives_back("),
        ),
        ("quota: ",),
    ),
    Mutant(
        "facts are told outside the transaction that they tell of",
        (
            Change(
                domain.admission.facts_store,
                "add",
                "conn.execute(_ADD, (told,))",
                "conn.afterwards.append(lambda later: later.execute(_ADD, (told,)))",
            ),
        ),
        ("facts: ",),
    ),
)


@contextmanager
def mutated(mutant: Mutant, owner_url: str) -> Iterator[None]:
    """Break the build, for as long as the context lasts. Raises `LookupError`."""
    with ExitStack() as undo:
        for change in mutant.changes:
            if isinstance(change, FunctionInDatabase):
                undo.callback(_define, _change_in_database(change, owner_url), owner_url)
            else:
                for holder, name, original in _change(change):
                    undo.callback(setattr, holder, name, original)
        yield


def _change(change: Change) -> list[tuple[Any, str, Any]]:
    *way, name = change.function.split(".")
    holder: Any = reduce(getattr, way, change.module)
    original = getattr(holder, name)
    source = textwrap.dedent(inspect.getsource(original))
    names: dict[str, Any] = {}
    scope = vars(change.module) | {"model": domain.jobs.model}
    exec(compile(_replaced(source, change), "<mutant>", "exec"), scope, names)  # noqa: S102 - our own text
    changed = [(holder, name, original)]
    # Modules that have imported the function by name call it there.
    changed += [
        (module, name, original)
        for module in list(sys.modules.values())
        if getattr(module, name, None) is original and module is not holder
    ]
    for where, _, _ in changed:
        setattr(where, name, names[name])
    return changed


def _change_in_database(change: FunctionInDatabase, owner_url: str) -> str:
    """Change it; return how it was defined."""
    with psycopg.connect(owner_url) as conn:
        row = conn.execute(
            "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = %s", (change.function,)
        ).fetchone()
        if row is None:
            raise LookupError(f"there is no function {change.function}")
    _define(_replaced(row[0], change), owner_url)
    return str(row[0])


def _define(function: str, owner_url: str) -> None:
    with psycopg.connect(owner_url) as conn:
        conn.execute(function.encode())


def _replaced(source: str, change: Change | FunctionInDatabase) -> str:
    if change.old not in source:
        raise LookupError(f"{change.function} no longer says {change.old!r}")
    return source.replace(change.old, change.new, 1)
