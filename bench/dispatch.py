"""The dispatcher: jobs dispatched a second from a backlog, and what a job's place costs.

Real Postgres, the dispatcher's own steps, nothing else on the server. Between the steps, and not
timed, everything in flight is ended and what was to be sent is deleted, so that each step finds
all places free.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import psycopg

from bench.figures import Figure, show
from domain.accounts.model import AccountKind
from domain.jobs import store
from domain.pipeline.dispatch import BATCH
from domain.pipeline.enrol import enrol
from domain.pipeline.place import place_of
from infra.clock import SystemClock
from infra.postgres import Alone, alone
from infra.stack import open_stack
from infra.stack.isolation import Database, make_template, own_database
from schemas.operations import OperationName
from streams.dispatcher import Dispatcher

BACKLOG: Final = 100_000
LARGE: Final = 1_000_000
DISPATCHED: Final = 10_000
AIM: Final = 2_000.0
PLACES: Final = 50

_CLOCK: Final = SystemClock()
_FILL: Final = """
    INSERT INTO jobs (id, account_id, origin, preset, operation, parameters, bucket, source_key,
                      source_etag, source_bytes, format, width, height, has_alpha, state, amount,
                      unit, requested_at, admitted_at, expires_at)
    SELECT 'job_' || translate(md5(n::text), '0189', 'ghij'), a.ids[n %% a.many + 1], 'object',
           'identity', 'identity', '{}', 'uploads', 'in/' || a.ids[n %% a.many + 1] || '/' || n,
           md5(n::text), 1000, 'png', 64, 48, false, 'queued', 1, 'CNY', now(), now(),
           now() + interval '7 days'
    FROM (SELECT array_agg(id ORDER BY id) AS ids, count(*)::int AS many FROM accounts) a,
         generate_series(1, %s) n
"""


class _Backlog:
    """A database full of jobs that wait, and a dispatcher of its own."""

    def __init__(self, owner: psycopg.Connection, conn: psycopg.Connection) -> None:
        self.owner = owner
        self.conn = conn
        self.rates: list[float] = []
        self._dispatcher = Dispatcher({OperationName.IDENTITY: 2 * BATCH}, _CLOCK)

    @property
    def rate(self) -> float:
        """Return jobs per second of the dispatcher's own time, the median of its steps."""
        return statistics.median(self.rates)

    def step(self) -> None:
        """Let the dispatcher take a step; then do, untimed, what others do meanwhile."""
        begun = time.perf_counter()
        self._dispatcher.step(self.conn)
        took = time.perf_counter() - begun
        done = self.owner.execute(
            "UPDATE jobs SET state = 'cancelled', version = version + 1, ended_at = now()"
            " WHERE state = 'dispatched'"
        )
        self.rates.append(done.rowcount / took)
        self.owner.execute("DELETE FROM outbox")


def run() -> Iterator[Figure]:
    """Measure; about three minutes on two cores. The backlogs take turns, step by step."""
    cases = ((1, BACKLOG), (50, BACKLOG), (1000, BACKLOG), (50, LARGE))
    with (
        tempfile.TemporaryDirectory(prefix="picmend-bench-") as folder,
        open_stack(Path(folder)) as stack,
        ExitStack() as filled,
    ):
        template = make_template(stack.settings())
        backlogs = {
            case: filled.enter_context(
                _filled(
                    filled.enter_context(own_database(stack.settings(), template)),
                    accounts=case[0],
                    jobs=case[1],
                )
            )
            for case in cases
        }
        for _ in range(DISPATCHED // BATCH):
            for backlog in backlogs.values():
                backlog.step()
        for (accounts, jobs), backlog in backlogs.items():
            small = backlogs[accounts, BACKLOG].rate if jobs == LARGE else AIM
            yield Figure(
                "dispatch",
                f"from {jobs:,} jobs of {accounts} accounts, against "
                + (f"{BACKLOG:,}" if jobs == LARGE else "the aim"),
                backlog.rate,
                "jobs/s",
                small,
                backlog.rate / small,
            )
        for (accounts, jobs), backlog in backlogs.items():
            yield _place(backlog, accounts, jobs)


@contextmanager
def _filled(database: Database, *, accounts: int, jobs: int) -> Iterator[_Backlog]:
    with (
        psycopg.connect(database.owner_url, autocommit=True) as owner,
        alone(database.app_url, Alone.DISPATCHER) as conn,
    ):
        if conn is None:
            raise RuntimeError("another dispatcher works on this database")
        with owner.transaction():
            for _ in range(accounts):
                made = enrol(
                    owner, name="bench", kind=AccountKind.COMPANY, unit="CNY", clock=_CLOCK
                )
                owner.execute(
                    "UPDATE accounts SET plan = 'enterprise' WHERE id = %s", (made.account.id,)
                )
        owner.execute(_FILL, (jobs,))
        # As after a minute: what the server does once for new rows is not the dispatcher's.
        owner.execute("VACUUM (ANALYZE) jobs")
        yield _Backlog(owner, conn)


def _place(backlog: _Backlog, accounts: int, jobs: int) -> Figure:
    """Ask for the places of jobs all along the line."""
    rows = backlog.owner.execute(
        "SELECT id FROM jobs WHERE state = 'queued' AND seq %% %s = 0 LIMIT %s",
        (jobs // PLACES, PLACES),
    ).fetchall()
    took: list[float] = []
    for (job_id,) in rows:
        job = store.get(backlog.conn, job_id)
        if job is None:
            raise LookupError(job_id)
        begun = time.perf_counter()
        place_of(backlog.conn, job, clock=_CLOCK)
        took.append((time.perf_counter() - begun) * 1000)
    took.sort()
    return Figure(
        "dispatch",
        f"a job's place in {jobs:,} jobs of {accounts} accounts, p95",
        took[len(took) * 95 // 100],
        "ms",
    )


def main() -> None:
    """Run this benchmark alone."""
    show(run())


if __name__ == "__main__":
    main()
