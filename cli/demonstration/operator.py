"""The operator of the demonstration: makes the account, and reads the books at the end."""

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from psycopg import Connection

from cli.demonstration.proof import Charge, Evidence, JobFact
from domain.accounts import store as accounts
from domain.accounts.model import AccountKind
from domain.billing import checks, reports, service
from domain.billing.model import LedgerName, Statement, TransactionKind
from domain.jobs import read
from domain.jobs.model import Job
from domain.pipeline.enrol import enrol
from infra.clock import Clock
from infra.object_credentials import AccessKey, ObjectCredentials
from schemas.ids import AccountId, JobId

UNIT: Final = "CNY"
BALANCE: Final = 100_000
"""What the account begins with, in minor units: 10 yuan."""

_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
_END: Final = datetime.max.replace(tzinfo=UTC)
_MOST_JOBS: Final = 1000
_PAUSE_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Books:
    """An account's jobs by id, its statement, and what speaks for or against the ledger."""

    jobs: dict[JobId, Job]
    statement: Statement
    evidence: Evidence


def open_account(
    conn: Connection, credentials: ObjectCredentials, clock: Clock
) -> tuple[AccountId, AccessKey]:
    """Make an account that can pay, and give it a key to its own prefixes of the store.

    Commits. Raises `StoreError`, `BillingError`.
    """
    with conn.transaction():
        made = enrol(
            conn, name="Demonstration", kind=AccountKind.INDIVIDUAL, unit=UNIT, clock=clock
        )
        account_id = made.account.id
        service.top_up(conn, account_id, BALANCE, key="demonstration", at=clock.now())
    key = credentials.issue(account_id)
    with conn.transaction():
        accounts.insert_object_store_key(conn, account_id, key.access_key, clock.now())
    return account_id, key


def wait_settled(conn: Connection, job_ids: Collection[JobId], *, deadline: float) -> bool:
    """Wait until all jobs have ended and none holds money; False at `deadline` (monotonic)."""
    wanted = set(job_ids)
    while True:
        with conn.transaction():
            settled = read.ended(conn, wanted) == wanted and not service.open_holds(
                conn, list(wanted)
            )
        if settled or time.monotonic() >= deadline:
            return settled
        time.sleep(_PAUSE_S)


def read_books(conn: Connection, account_id: AccountId) -> Books:
    """Return everything that the proof is made from, as the database has it now."""
    with conn.transaction():
        found = read.page(conn, account_id, read.JobFilter(), before_seq=None, limit=_MOST_JOBS)
        statement = reports.statement(conn, account_id, _BEGINNING, _END)
        balance = service.balance(conn, account_id)
        evidence = Evidence(
            jobs=tuple(
                JobFact(job.id, job.source.key, job.state, job.amount, job.code) for job in found
            ),
            charges=charges(statement),
            topped_up=sum(
                line.amount
                for line in statement.lines
                if line.kind is TransactionKind.TOP_UP and line.ledger is LedgerName.AVAILABLE
            ),
            available=balance.available,
            held=balance.held,
            open_holds=service.open_holds(conn, [job.id for job in found]),
            ledger_sum=checks.ledger_sum(conn),
            findings=tuple(
                f"{each.code} {each.subject}: {each.detail}" for each in checks.check(conn)
            ),
        )
    return Books({job.id: job for job in found}, statement, evidence)


def charges(statement: Statement) -> tuple[Charge, ...]:
    """Return the captures of a statement."""
    return tuple(
        Charge(line.job_id, -line.amount, line.recorded_at)
        for line in statement.lines
        if line.kind is TransactionKind.CAPTURE
        and line.ledger is LedgerName.HELD
        and line.job_id is not None
    )
