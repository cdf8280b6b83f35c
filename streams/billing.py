"""Billing: each usage event closes its job's hold."""

from collections.abc import Sequence
from datetime import datetime

from domain.billing import service as billing
from domain.billing.model import Captured, RefusedUsage, Released, Usage
from infra import metrics, tracing
from infra.clock import Clock
from infra.kafka import Message
from infra.postgres import Pool
from schemas import topics
from schemas.events import Event, UsageRecorded, UsageToBill, dataschema
from streams.decoding import decode_event


class UsageRefusedError(ValueError):
    """A usage event contradicts the ledger, and cannot be right."""


class Billing:
    """Captures the hold of each job that succeeded, and releases that of every other."""

    name = "billing"
    topic = topics.USAGE
    schema = dataschema(UsageRecorded)
    linger_s = 0.1

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._charged = metrics.STAGE_SECONDS.labels(metrics.JobStage.CHARGED)

    def decode(self, message: Message) -> UsageRecorded:
        """See `Stage`."""
        return decode_event(Event[UsageToBill], message)

    def step(self, items: Sequence[UsageRecorded]) -> None:
        """Close the batch's holds in one transaction. A usage event that comes again is free.

        Raises `UsageRefusedError` when one contradicts the ledger: nothing is recorded then.
        """
        usages = [usage_of(item) for item in items]
        with self._pool.connection() as conn:
            outcomes = billing.record_usage(conn, usages, at=self._clock.now())
            refused = [outcome for outcome in outcomes if isinstance(outcome, RefusedUsage)]
            if refused:
                raise UsageRefusedError(
                    f"{refused[0].problem} of {refused[0].job_id}: {refused[0].detail}"
                )
        now = self._clock.now()
        for item, outcome in zip(items, outcomes, strict=True):
            if isinstance(outcome, Captured | Released):
                self._closed(item, now)

    def _closed(self, usage: UsageRecorded, now: datetime) -> None:
        """Count and trace a job whose way is over."""
        self._charged.observe(max(0.0, (now - usage.ended_at).total_seconds()))
        begun = usage.requested_at
        if begun is not None:
            metrics.JOB_SECONDS.observe(max(0.0, (now - begun).total_seconds()))
        tracing.tell_root(
            usage.job_id,
            begun=begun or usage.admitted_at,
            ended=now,
            attributes={
                tracing.ACCOUNT: usage.account_id,
                tracing.JOB_OPERATION: usage.operation,
                tracing.OUTCOME: usage.outcome,
            },
        )


def usage_of(event: UsageRecorded) -> Usage:
    """Return what a usage event tells the ledger."""
    return Usage(
        job_id=event.job_id,
        account_id=event.account_id,
        operation=event.operation,
        preset=event.preset,
        outcome=event.outcome,
        code=event.code,
        amount=event.amount,
        unit=event.unit,
        environment=event.environment,
        ended_at=event.ended_at,
        input_bytes=event.input_bytes,
        input_pixels=event.input_pixels,
        output_bytes=event.output_bytes,
        output_pixels=event.output_pixels,
        duration_ms=event.duration_ms,
    )
