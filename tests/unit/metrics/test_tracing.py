"""Spans of a job lie below a root that follows from the job's id; off, tracing is not there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from infra import tracing
from infra.tracing import Kind
from schemas import ids
from schemas.ids import JobId

JOB, OTHER = JobId("job_" + "a" * 32), JobId("job_" + "b" * 32)
AT = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)
THEIRS = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def exported() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    tracing.start_with(SimpleSpanProcessor(exporter), process="test")
    yield exporter
    tracing.stop()


def ids_of(span: ReadableSpan) -> tuple[int, int, int | None]:
    assert span.context is not None
    return span.context.trace_id, span.context.span_id, span.parent.span_id if span.parent else None


def test_a_root_span_has_the_ids_and_the_times_of_its_job(exported: InMemorySpanExporter) -> None:
    tracing.tell_root(JOB, begun=AT, ended=AT + timedelta(seconds=2), attributes={"a": "b"})

    (root,) = exported.get_finished_spans()
    assert ids_of(root) == (*ids.trace_of(JOB), None)
    assert root.start_time == int(AT.timestamp() * 1000) * 1_000_000
    assert root.end_time == root.start_time + 2_000_000_000
    assert dict(root.attributes or {}) == {"picmend.job.id": JOB, "a": "b"}


def test_spans_of_jobs_lie_below_their_own_roots(exported: InMemorySpanExporter) -> None:
    for job in (JOB, OTHER):
        tracing.tell("done", job, kind=Kind.CONSUMER, begun_ns=5)

    for span, job in zip(exported.get_finished_spans(), (JOB, OTHER), strict=True):
        trace, own, parent = ids_of(span)
        assert (trace, parent) == ids.trace_of(job)
        assert own != parent


def test_a_span_within_a_span_lies_below_it_and_one_of_no_job_is_none(
    exported: InMemorySpanExporter,
) -> None:
    with tracing.span("attempt", JOB), tracing.span("decode"):
        tracing.note({"size": 3})
    with tracing.span("of nothing"):
        pass

    inner, outer = exported.get_finished_spans()
    assert (inner.name, outer.name) == ("decode", "attempt")
    assert ids_of(inner)[0] == ids_of(outer)[0] == ids.trace_of(JOB)[0]
    assert ids_of(inner)[2] == ids_of(outer)[1]
    assert dict(inner.attributes or {}) == {"size": 3}


def test_a_block_that_fails_fails_its_span_and_the_error_goes_on(
    exported: InMemorySpanExporter,
) -> None:
    with pytest.raises(LookupError), tracing.span("attempt", JOB):
        raise LookupError("gone")

    (span,) = exported.get_finished_spans()
    assert not span.status.is_ok


def test_a_clients_own_span_is_linked_and_nonsense_is_not(exported: InMemorySpanExporter) -> None:
    for link in (THEIRS, "nonsense", None):
        tracing.tell("asked", JOB, kind=Kind.SERVER, begun_ns=5, link=link)

    linked = [span.links for span in exported.get_finished_spans()]
    assert [len(links) for links in linked] == [1, 0, 0]
    context = linked[0][0].context
    assert f"00-{context.trace_id:032x}-{context.span_id:016x}-01" == THEIRS


def test_after_the_stop_nothing_is_traced(exported: InMemorySpanExporter) -> None:
    tracing.stop()

    assert not tracing.on()
    with tracing.span("attempt", JOB):
        tracing.note({"a": 1})
    tracing.tell("done", JOB, kind=Kind.CONSUMER, begun_ns=5)
    tracing.tell_root(JOB, begun=AT, ended=AT, attributes={})
    assert exported.get_finished_spans() == ()


def test_without_an_endpoint_no_process_imports_the_sdk_or_has_anything_to_send_with() -> None:
    script = (
        "import sys, threading\n"
        "import api.__main__, processors.worker.loop, streams.__main__\n"
        "from infra import tracing\n"
        "with tracing.sending(None, process='test'):\n"
        "    assert not tracing.on()\n"
        "    with tracing.span('attempt', 'job_'): pass\n"
        "sdk = ('opentelemetry.sdk', 'opentelemetry.exporter')\n"
        "assert not [name for name in sys.modules if name.startswith(sdk)]\n"
        "assert threading.active_count() == 1\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True)  # noqa: S603 - our own script
