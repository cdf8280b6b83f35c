"""What the servers know of the whole system, as metrics: read when they are asked for.

Each streams process tells it, so that one is enough; of several, the numbers are the same.
"""

import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from domain.admission.facts import SubjectKind
from domain.admission.known_store import untaken_since
from domain.admission.restrictions import Step
from domain.billing.checks import balances_sum
from domain.jobs.backlog import Backlog, Waiting, backlog
from domain.jobs.workers import Slots
from domain.pipeline.check import STALE_AFTER
from domain.pipeline.load import Kept, Load, kept, load
from domain.pipeline.uncharged import count_stale_holds
from infra import metrics
from infra.clock import Clock
from infra.kafka import BrokerUnavailableError
from infra.kafka_lag import STREAMS, WORKERS, LagReader, TopicProgress
from infra.postgres import Pool
from infra.scraping import WAIT_S, Source
from schemas.operations import OperationName

GROUPS: Final = (STREAMS, WORKERS)

_LEDGER_FRESH_S: Final = 30.0
"""Between two looks at the money: open holds are as many as jobs wait, and each is looked up."""
_DESCRIBED: Final = (
    metrics.JOBS,
    metrics.OLDEST_JOB,
    metrics.OLDEST_UNENDED,
    metrics.OUTBOX_MESSAGES,
    metrics.OUTBOX_OLDEST,
    metrics.WORKER_SLOTS,
    metrics.IN_FLIGHT,
    metrics.IN_FLIGHT_CAP,
    metrics.FULL_ACCOUNTS,
    metrics.RESTRICTED,
    metrics.SUSPENDED_ACCOUNTS,
    metrics.STALE_HOLDS,
    metrics.LEDGER_SUM,
    metrics.UNJUDGED_OLDEST,
    metrics.LAG_MESSAGES,
    metrics.LAG_SECONDS,
    metrics.DATA_FREE,
)


@dataclass(frozen=True, slots=True)
class Waits:
    """What the database tells of jobs, messages and facts that wait, and of who may not go."""

    jobs: Backlog
    load: Load
    kept: Kept
    unjudged_since: datetime | None


@dataclass(frozen=True, slots=True)
class Money:
    """What the database tells of the ledger and its holds."""

    balances_sum: int
    stale_holds: int


class Scraped(Collector):
    """Tells what waits, since when, and how far the consumers are behind.

    It answers within half a second, whatever is away: what a server did not tell is left out,
    and counted in `picmend_scrape_errors_total`.
    """

    def __init__(
        self, pool: Pool, bootstrap: str, clock: Clock, *, data_dir: Path, least_caps: Slots
    ) -> None:
        """Prepare it; `least_caps` are those that the dispatcher is given."""
        self._pool = pool
        self._least_caps = least_caps
        self._clock = clock
        self._data_dir = data_dir
        self._lags = _Lags(bootstrap)
        self._database = Source("database", self._backlog)
        self._ledger = Source(
            "ledger", self._money, fresh_s=_LEDGER_FRESH_S, usable_s=_LEDGER_FRESH_S * 3
        )
        self._kafka = Source("kafka", self._lags.read)

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Name what `collect` gives, so that registering asks no server."""
        return [one.family() for one in _DESCRIBED]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """See `Collector`."""
        deadline = time.monotonic() + WAIT_S
        self._database.ask()
        self._ledger.ask()
        self._kafka.ask()
        waiting, money = self._database.answer(deadline), self._ledger.answer(deadline)
        lags = self._kafka.answer(deadline)
        now = self._clock.now()
        if waiting is not None:
            yield from _of_backlog(waiting.jobs, now)
            yield from _of_load(waiting.load)
            yield from _of_kept(waiting.kept)
            yield _single(metrics.UNJUDGED_OLDEST, _age(waiting.unjudged_since, now))
        if money is not None:
            yield _single(metrics.STALE_HOLDS, money.stale_holds)
            yield _single(metrics.LEDGER_SUM, money.balances_sum)
        if lags is not None:
            yield from _of_lags(lags, now)
        if self._data_dir.exists():
            yield _single(metrics.DATA_FREE, shutil.disk_usage(self._data_dir).free)

    def _backlog(self) -> Waits:
        now = self._clock.now()
        with self._pool.connection() as conn:
            return Waits(
                backlog(conn),
                load(conn, least=self._least_caps, at=now),
                kept(conn, at=now),
                untaken_since(conn),
            )

    def _money(self) -> Money:
        with self._pool.connection() as conn:
            return Money(
                balances_sum(conn),
                count_stale_holds(conn, ended_before=self._clock.now() - STALE_AFTER),
            )


class _Lags:
    """Keeps a reader of lags, and makes another when it failed. For one thread at a time."""

    def __init__(self, bootstrap: str, make: Callable[[str], LagReader] = LagReader) -> None:
        self._bootstrap = bootstrap
        self._make = make
        self._reader: LagReader | None = None

    def read(self) -> Sequence[TopicProgress]:
        reader = self._reader = self._reader or self._make(self._bootstrap)
        try:
            return [one for group in GROUPS for one in reader.read(group, ages=True)]
        except BrokerUnavailableError:
            self._reader = None
            reader.close()
            raise


def _of_backlog(waiting: Backlog, now: datetime) -> Iterable[GaugeMetricFamily]:
    counts, ages = metrics.JOBS.family(), metrics.OLDEST_JOB.family()
    for state, jobs in waiting.jobs.items():
        counts.add_metric([state], jobs.count)
        ages.add_metric([state], _age(jobs.since, now))
    yield counts
    yield ages
    yield _single(metrics.OLDEST_UNENDED, _age(waiting.oldest_request, now))
    yield from _of_outbox(waiting.outbox, now)


def _of_outbox(outbox: Waiting, now: datetime) -> Iterable[GaugeMetricFamily]:
    yield _single(metrics.OUTBOX_MESSAGES, outbox.count)
    yield _single(metrics.OUTBOX_OLDEST, _age(outbox.since, now))


def _of_load(load: Load) -> Iterable[GaugeMetricFamily]:
    yield _by_operation(metrics.WORKER_SLOTS, load.slots)
    yield _by_operation(metrics.IN_FLIGHT, load.in_flight)
    yield _by_operation(metrics.IN_FLIGHT_CAP, load.caps)
    yield _by_operation(metrics.FULL_ACCOUNTS, load.full)


def _by_operation(
    metric: metrics.Described, counts: Mapping[OperationName, int]
) -> GaugeMetricFamily:
    family = metric.family()
    for operation in OperationName:
        family.add_metric([operation], counts.get(operation, 0))
    return family


def _of_kept(kept: Kept) -> Iterable[GaugeMetricFamily]:
    restricted = metrics.RESTRICTED.family()
    for kind in SubjectKind:
        for step in _STEPS:
            restricted.add_metric([kind, step], kept.restricted.get((kind, step), 0))
    yield restricted
    yield _single(metrics.SUSPENDED_ACCOUNTS, kept.suspended)


_STEPS: Final = tuple(step for step in Step if step is not Step.FLAG)
"""The steps that keep somebody from something."""


def _of_lags(lags: Sequence[TopicProgress], now: datetime) -> Iterable[GaugeMetricFamily]:
    messages, seconds = metrics.LAG_MESSAGES.family(), metrics.LAG_SECONDS.family()
    for one in lags:
        labels = [one.group, one.topic]
        messages.add_metric(labels, one.lag)
        if one.oldest_ms is not None:
            seconds.add_metric(labels, max(0.0, now.timestamp() - one.oldest_ms / 1000))
        elif one.lag == 0:
            seconds.add_metric(labels, 0)
    yield messages
    yield seconds


def _age(since: datetime | None, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds()) if since else 0.0


def _single(metric: metrics.Described, value: float) -> GaugeMetricFamily:
    family = metric.family()
    family.add_metric([], value)
    return family
