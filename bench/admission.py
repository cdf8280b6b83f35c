"""Decisions a second through the real agent, beside an empty agent in the same run.

Quotas, rules and holds are on: each account has a plan that limits everything, every decision
is counted and its money held, and the judge asks the rules of what was counted. Each round gives
the empty agent, the real one with the requests of 1,000 accounts, and the real one with those of
one account the same number of messages, and waits until the judge is done with them.
"""

import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import psycopg

from bench.agents import Kind
from bench.fed import agent
from bench.figures import Figure, show
from domain.accounts.model import AccountKind
from domain.admission import plan_limits
from domain.admission.limits import Limit
from domain.billing import service as billing
from domain.catalogue import plans
from domain.pipeline.enrol import enrol
from infra.clock import SystemClock
from infra.kafka import KafkaPythonProducer, Message
from infra.settings import Settings
from infra.stack import open_stack
from schemas.decisions import Quota
from schemas.events import HeaderFacts, JobRequested, job_requested
from schemas.ids import AccountId, object_job_id
from schemas.operations import ImageFormat

ROUNDS: Final = 3
MESSAGES: Final = 6_000
ACCOUNTS: Final = 1_000
_PLAN: Final = "bench"
_PLENTY: Final = 10**9
_DEADLINE_S: Final = 120.0
_CLOCK: Final = SystemClock()


def run() -> Iterator[Figure]:
    """Measure; about two minutes on two cores."""
    with (
        tempfile.TemporaryDirectory(prefix="picmend-bench-") as folder,
        open_stack(Path(folder)) as stack,
        agent(stack, Path(folder), Kind.PASSING) as passing,
        agent(stack, Path(folder), Kind.ADMISSION) as admission,
    ):
        config = stack.settings()
        spread, hot = _accounts(config)
        producer = KafkaPythonProducer(config.kafka_bootstrap, client_id="bench")
        numbers = itertools.count()
        cases = {
            "passing": (passing, spread),
            "spread": (admission, spread),
            "hot": (admission, [hot]),
        }
        rates: dict[str, list[float]] = {name: [] for name in cases}
        for number in range(ROUNDS + 1):
            for name, (fed, ids) in cases.items():
                rate = fed.rate(producer, _requests(fed.topic, ids, numbers))
                _wait_judged(config)
                # The first round is for caches, and for plans of statements.
                rates[name] += [rate] if number else []
        producer.close()
        _require_queued(config, (ROUNDS + 1) * MESSAGES * 2)
    passed, decided, of_one = (statistics.median(rates[name]) for name in cases)
    yield Figure(
        "admission",
        f"{ACCOUNTS} accounts, against an empty agent",
        decided,
        "decisions/s",
        passed,
        decided / passed,
    )
    yield Figure(
        "admission",
        f"one account, against {ACCOUNTS} accounts",
        of_one,
        "decisions/s",
        decided,
        of_one / decided,
    )


def _accounts(config: Settings) -> tuple[list[AccountId], AccountId]:
    """Return many accounts and one more, all on a plan that limits everything."""
    with psycopg.connect(config.database_url.get_secret_value()) as conn:
        plans.put(conn, _PLAN, weight=1)
        plan_limits.put(conn, _PLAN, [Limit(quota, None, _PLENTY) for quota in Quota])
        made = []
        for _ in range(ACCOUNTS + 1):
            account = enrol(
                conn, name="bench", kind=AccountKind.COMPANY, unit="CNY", clock=_CLOCK, plan=_PLAN
            ).account
            billing.top_up(conn, account.id, _PLENTY, key="bench", at=_CLOCK.now())
            made.append(account.id)
    return made[:-1], made[-1]


def _requests(topic: str, ids: Sequence[AccountId], numbers: Iterator[int]) -> list[Message]:
    messages = []
    for each in range(MESSAGES):
        account_id, number = ids[each % len(ids)], next(numbers)
        key, etag = f"in/{account_id}/identity/{number}.png", f"{number:032x}"
        request = JobRequested(
            job_id=object_job_id("uploads", key, etag),
            account_id=account_id,
            preset="identity",
            bucket="uploads",
            key=key,
            etag=etag,
            size=100_000,
            header=HeaderFacts(format=ImageFormat.PNG, width=640, height=480),
            found_by="event",
            uploaded_at=_CLOCK.now(),
        )
        body = job_requested(request, at=_CLOCK.now()).encode()
        messages.append(Message(topic=topic, key=account_id.encode(), value=body))
    return messages


def _wait_judged(config: Settings) -> None:
    """Return when the rules were asked of all that was counted."""
    deadline = time.monotonic() + _DEADLINE_S
    with psycopg.connect(config.database_url.get_secret_value(), autocommit=True) as conn:
        while conn.execute("SELECT FROM facts_touched LIMIT 1").fetchone() is not None:
            if time.monotonic() > deadline:
                raise TimeoutError("the judge is not done in time")
            time.sleep(0.05)


def _require_queued(config: Settings, expected: int) -> None:
    """Make sure that what was measured is what was meant: no job was refused or held back."""
    with psycopg.connect(config.database_url.get_secret_value()) as conn:
        rows = conn.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall()
    if dict(rows) != {"queued": expected}:
        raise RuntimeError(f"{expected} jobs should be queued, and there are {rows}")


def main() -> None:
    """Run this benchmark alone."""
    show(run())


if __name__ == "__main__":
    main()
