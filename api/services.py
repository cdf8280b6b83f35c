"""What requests work with: put together once in a process, and taken apart at its end."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Final

from anyio import CapacityLimiter
from fastapi import FastAPI
from psycopg import Connection
from psycopg.pq import TransactionStatus

from api.background import ApiFacts, running
from api.waiting import EndedJobs
from domain.jobs import read
from domain.pipeline.enter import PostgresLimiter, RateLimiter
from infra import countries, object_store, postgres
from infra.clock import Clock, SystemClock
from infra.countries import Countries
from infra.postgres import Pool
from infra.settings import Settings
from infra.stored_objects import ObjectStore
from schemas.ids import JobId

_CONNECTION_WAIT_S: Final = 3.0
"""How long a request waits for a connection before it is told to come again."""
_BACKGROUND_WAIT_S: Final = 1.0
"""The same for what can wait; so long a stop takes longer where the database is away."""
_STORE_CONNECTIONS: Final = 32
_SUBMISSIONS: Final = 8
_PROBES: Final = 4


@dataclass(frozen=True, slots=True)
class Services:
    """The servers, the clock and the settings of one API process.

    `submissions` bounds the threads, and so the memory, that new jobs take: a store that
    hangs stops them and nothing else. `probes` does the same for questions of readiness.
    """

    settings: Settings
    pool: Pool
    store: ObjectStore
    clock: Clock
    limiter: RateLimiter
    facts: ApiFacts
    countries: Countries
    ended: EndedJobs
    submissions: CapacityLimiter
    probes: CapacityLimiter

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Give one transaction: committed at the end, rolled back on an error."""
        with self.pool.connection(timeout=_CONNECTION_WAIT_S) as conn:
            yield conn


@contextmanager
def open_services(settings: Settings) -> Iterator[Services]:
    """Give the services that the settings name; servers that are away are waited for later.

    Raises `infra.countries.CountriesUnreadableError` and `OSError`.
    """
    clock = SystemClock()
    of_address = countries.load(settings.country_database)
    url = settings.database_url.get_secret_value()
    pool = postgres.open_pool(url, size=settings.database_pool, name="api")

    def transaction() -> AbstractContextManager[Connection]:
        return pool.connection(timeout=_BACKGROUND_WAIT_S)

    def ended(job_ids: list[JobId]) -> set[JobId]:
        with pool.connection(timeout=_CONNECTION_WAIT_S) as conn:
            return read.ended(conn, job_ids)

    facts = ApiFacts(transaction)
    try:
        with running(facts, transaction, clock):
            yield Services(
                settings=settings,
                pool=pool,
                store=object_store.from_settings(settings, connections=_STORE_CONNECTIONS),
                clock=clock,
                limiter=PostgresLimiter(lambda: _autocommit(pool)),
                facts=facts,
                countries=of_address,
                ended=EndedJobs(ended),
                submissions=CapacityLimiter(_SUBMISSIONS),
                probes=CapacityLimiter(_PROBES),
            )
    finally:
        pool.close()


@contextmanager
def _autocommit(pool: Pool) -> Iterator[Connection]:
    """Give a connection whose statements each are a transaction, and so one round trip."""
    with pool.connection(timeout=_CONNECTION_WAIT_S) as conn:
        conn.autocommit = True
        try:
            yield conn
        finally:
            # One that broke goes back as it is: the pool makes another.
            if conn.info.transaction_status is TransactionStatus.IDLE:
                conn.autocommit = False


def install(app: FastAPI, services: Services) -> None:
    """Make the services known to the requests of an application."""
    app.state.services = services


def services_of(app: FastAPI) -> Services:
    """Return the services of a running application."""
    found: object = app.state.services
    if not isinstance(found, Services):
        raise TypeError(f"the application has no services but {found!r}")
    return found
