"""How full the workers are, and who is kept from more: what operators watch."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection

from domain.accounts import store as accounts
from domain.admission import quota_store, restrictions
from domain.admission.facts import SubjectKind
from domain.admission.restrictions import Step
from domain.jobs import queue, workers
from domain.jobs.workers import Slots
from domain.pipeline.contend import caps_of
from schemas.operations import OperationName


@dataclass(frozen=True, slots=True)
class Load:
    """What the live workers have room for, and what is with them, by operation.

    `full` are accounts that have jobs of the operation there, and may have no more there.
    The caps of all operations together are the cap in all.
    """

    slots: Slots
    caps: Slots
    in_flight: Mapping[OperationName, int]
    full: Mapping[OperationName, int]


@dataclass(frozen=True, slots=True)
class Kept:
    """How many subjects each step is in force against; accounts suspended by anybody."""

    restricted: Mapping[tuple[SubjectKind, Step], int]
    suspended: int


def load(conn: Connection, *, least: Slots, at: datetime) -> Load:
    """Return how full the workers are; `least` are the caps that the dispatcher is given.

    Reads as many jobs as are in flight, however many wait or have ended.
    """
    slots = workers.live_slots(conn, at)
    flying = queue.in_flight(conn)
    plans = accounts.active(conn, {account for _, account in flying})
    limits = quota_store.limits(conn, plans, at)
    slowed = restrictions.slowed(conn, at)
    in_flight: Counter[OperationName] = Counter()
    in_all: Counter[str] = Counter()
    for (operation, account), jobs in flying.items():
        in_flight[operation] += jobs
        in_all[account] += jobs
    full = Counter(
        operation
        for (operation, account), own in flying.items()
        if account in plans
        and any(
            cap.free == 0
            for cap in caps_of(
                operation,
                limits[account],
                own=own,
                in_all=in_all[account],
                slowed=account in slowed,
            )
        )
    )
    return Load(slots, workers.caps(slots, least=least).operations, in_flight, full)


def kept(conn: Connection, *, at: datetime) -> Kept:
    """Return what is in force against whom; reads as many rows as are in force."""
    return Kept(restrictions.count(conn, at), accounts.count_suspended(conn))
