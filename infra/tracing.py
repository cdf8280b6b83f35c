"""Traces: one job is one trace, whoever has it in hand. Off unless an endpoint is set.

A job's trace id and the id of its root span follow from the job's id (`schemas.ids.trace_of`),
so nothing has to be handed on or remembered, and a crash loses spans at most. Spans are children
of the root span; the root itself is told once, at the end, by whoever ends the job's story.

While tracing is off, `on()` is False, `span` gives way at once, and nothing of OpenTelemetry's
SDK is imported. Names and attributes are those of OpenTelemetry's messaging conventions.
"""

# ruff: noqa: PLC0415 - the SDK takes 0.3 s to import, and is off by default

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Final

from schemas import ids
from schemas.ids import JobId

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.trace import Span

Attributes = Mapping[str, str | int | float | bool]

SYSTEM: Final = "messaging.system"
OPERATION: Final = "messaging.operation.type"
DESTINATION: Final = "messaging.destination.name"
PARTITION: Final = "messaging.destination.partition.id"
OFFSET: Final = "messaging.kafka.offset"
GROUP: Final = "messaging.consumer.group.name"
JOB: Final = "picmend.job.id"
ACCOUNT: Final = "picmend.account.id"
JOB_OPERATION: Final = "picmend.operation"
OUTCOME: Final = "picmend.outcome"
ATTEMPT: Final = "picmend.attempt"

_QUEUE: Final = 8192
_BATCH: Final = 512
_EXPORT_S: Final = 5.0
_LAST_S: Final = 2.0


class Kind(Enum):
    """What a span is to others."""

    INTERNAL = "INTERNAL"
    SERVER = "SERVER"
    PRODUCER = "PRODUCER"
    CONSUMER = "CONSUMER"


_provider: TracerProvider | None = None
_root: ContextVar[tuple[int, int] | None] = ContextVar("root", default=None)


@contextmanager
def sending(endpoint: str | None, *, process: str) -> Iterator[None]:
    """Trace for as long as a block runs; see `start` and `stop`."""
    start(endpoint, process=process)
    try:
        yield
    finally:
        stop()


def start(endpoint: str | None, *, process: str) -> None:
    """Send this process's spans to an OTLP/HTTP endpoint, in batches; without one, do nothing.

    `endpoint` is the whole address, as http://127.0.0.1:4318/v1/traces. A collector that is
    away costs the spans that do not fit the queue, and a line in the log.
    """
    if endpoint is None:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=_EXPORT_S)
    start_with(
        BatchSpanProcessor(exporter, max_queue_size=_QUEUE, max_export_batch_size=_BATCH),
        process=process,
    )


def start_with(processor: SpanProcessor, *, process: str) -> None:
    """Give this process's spans to a processor."""
    global _provider  # noqa: PLW0603 - one per process, as OpenTelemetry means it
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class JobIds(RandomIdGenerator):
        """The ids of a root span are its job's; those of all others are random."""

        def generate_trace_id(self) -> int:
            root = _root.get()
            return root[0] if root else super().generate_trace_id()

        def generate_span_id(self) -> int:
            root = _root.get()
            return root[1] if root else super().generate_span_id()

    provider = TracerProvider(
        resource=Resource.create({"service.name": f"picmend-{process}"}),
        id_generator=JobIds(),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(processor)
    _provider = provider


def stop() -> None:
    """Send what waits, and trace no more. A collector that is away is waited for 2 s at most."""
    global _provider
    ended, _provider = _provider, None
    if ended is not None:
        # The SDK tries for up to half a minute, which a process that is to end has not.
        ending = threading.Thread(target=ended.shutdown, name="tracing-ends", daemon=True)
        ending.start()
        ending.join(_LAST_S)


def on() -> bool:
    """Tell whether anybody wants spans."""
    return _provider is not None


@contextmanager
def span(
    name: str,
    job: JobId | None = None,
    *,
    kind: Kind = Kind.INTERNAL,
    attributes: Attributes | None = None,
    link: str | None = None,
) -> Iterator[None]:
    """Make a span of a block, below the job's root span; without a job, below the span around.

    An exception that passes through marks the span as failed. `link` is the `traceparent` of
    somebody else's span that this one has to do with. Does nothing while tracing is off, nor
    for a block that belongs to no job.
    """
    provider = _provider
    if provider is None:
        yield
        return
    from opentelemetry import trace

    if job is None and not trace.get_current_span().get_span_context().is_valid:
        yield
        return
    begun = _begin(provider, name, job, kind=kind, attributes=attributes, link=link)
    with trace.use_span(begun, end_on_exit=True):
        yield


def note(attributes: Attributes) -> None:
    """Add to the span around, if there is one."""
    if _provider is not None:
        from opentelemetry import trace

        trace.get_current_span().set_attributes(attributes)


def tell(
    name: str,
    job: JobId,
    *,
    kind: Kind,
    begun_ns: int,
    attributes: Attributes | None = None,
    link: str | None = None,
) -> None:
    """Make a span, below the job's root span, of what began at `begun_ns` and ended just now.

    For batches: one call for each job; ask `on()` first, so that none costs anything when off.
    """
    if (provider := _provider) is not None:
        _begin(
            provider, name, job, kind=kind, attributes=attributes, link=link, begun_ns=begun_ns
        ).end()


def tell_sent(job: JobId, topic: str, *, begun_ns: int) -> None:
    """Make the span of an event of a job that was sent to a topic, beginning at `begun_ns`."""
    tell(
        f"send {topic}",
        job,
        kind=Kind.PRODUCER,
        begun_ns=begun_ns,
        attributes={SYSTEM: "kafka", OPERATION: "send", DESTINATION: topic},
    )


def tell_root(job: JobId, *, begun: datetime, ended: datetime, attributes: Attributes) -> None:
    """Make the root span of a job, of its whole time. To be called once for a job.

    Whoever calls it does so after the commit that ends the job's story; a crash in between
    loses it.
    """
    provider = _provider
    if provider is None:
        return
    from opentelemetry.context import Context

    token = _root.set(ids.trace_of(job))
    try:
        root = provider.get_tracer("picmend").start_span(
            "job",
            context=Context(),
            attributes={JOB: job, **attributes},
            start_time=_nanoseconds(begun),
        )
    finally:
        _root.reset(token)
    root.end(_nanoseconds(ended))


def now_ns() -> int:
    """Return the time, in nanoseconds since 1970, as spans take it."""
    return time.time_ns()


def _begin(
    provider: TracerProvider,
    name: str,
    job: JobId | None,
    *,
    kind: Kind,
    attributes: Attributes | None,
    link: str | None = None,
    begun_ns: int | None = None,
) -> Span:
    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    context = None
    own: Attributes = attributes or {}
    if job is not None:
        trace_id, root = ids.trace_of(job)
        parent = trace.SpanContext(
            trace_id, root, is_remote=True, trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED)
        )
        context = trace.set_span_in_context(trace.NonRecordingSpan(parent))
        own = {JOB: job, **own}
    links = []
    if link is not None:
        theirs = TraceContextTextMapPropagator().extract({"traceparent": link})
        linked = trace.get_current_span(theirs).get_span_context()
        if linked.is_valid:
            links.append(trace.Link(linked))
    return provider.get_tracer("picmend").start_span(
        name,
        context=context,
        kind=trace.SpanKind[kind.value],
        attributes=own,
        links=links,
        start_time=begun_ns,
    )


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1000
