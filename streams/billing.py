"""Billing: each usage event closes its job's hold."""

from collections.abc import Sequence

from domain.billing import service as billing
from domain.billing.model import RefusedUsage, Usage
from infra.clock import Clock
from infra.kafka import Message
from infra.postgres import Pool
from schemas import topics
from schemas.events import Event, UsageRecorded, dataschema
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

    def decode(self, message: Message) -> Usage:
        """See `Stage`."""
        return usage_of(decode_event(Event[UsageRecorded], message))

    def step(self, items: Sequence[Usage]) -> None:
        """Close the batch's holds in one transaction. A usage event that comes again is free.

        Raises `UsageRefusedError` when one contradicts the ledger: nothing is recorded then.
        """
        with self._pool.connection() as conn:
            outcomes = billing.record_usage(conn, items, at=self._clock.now())
            refused = [outcome for outcome in outcomes if isinstance(outcome, RefusedUsage)]
            if refused:
                raise UsageRefusedError(
                    f"{refused[0].problem} of {refused[0].job_id}: {refused[0].detail}"
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
