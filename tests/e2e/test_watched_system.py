"""The whole system as an operator sees it: traces, metrics and log lines of its jobs."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from infra.metrics import JobStage
from infra.stack.looks import monitor_of
from schemas import ids
from schemas.ids import JobId
from tests.e2e.customer import Customer, customer_of, picture, wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from infra.stack import Running

THEIRS = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OF_AN_UPLOAD = {
    "job",
    "send job-requests",
    "process job-requests",
    "send work.identity",
    "process work.identity",
    "fetch",
    "store",
    "send job-results",
    "process job-results",
    "send usage",
    "process usage",
    "send job-events",
    "process job-events",
}
UPLOADS = 3


@dataclass
class Collector:
    """An OTLP/HTTP collector that keeps what it is sent."""

    address: str
    spans: list[Span] = field(default_factory=list)

    def of(self, job: JobId) -> list[Span]:
        """Return the spans that name a job, or belong to its trace."""
        trace = ids.trace_of(job)[0].to_bytes(16, "big")
        return [
            span
            for span in list(self.spans)
            if span.trace_id == trace or attribute(span, "picmend.job.id") == job
        ]


def attribute(span: Span, name: str) -> str | None:
    found = [one.value.string_value for one in span.attributes if one.key == name]
    return found[0] if found else None


@contextmanager
def collecting() -> Iterator[Collector]:
    kept: list[Span] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = ExportTraceServiceRequest()
            request.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    kept.extend(scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Collector(f"http://127.0.0.1:{server.server_port}/v1/traces", kept)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Watched:
    """A system that traces and logs all there is, and the jobs that went through it."""

    system: Running
    data_dir: Path
    collector: Collector
    customer: Customer
    uploaded: Sequence[JobId]
    asked_for: JobId

    @property
    def jobs(self) -> list[JobId]:
        return [*self.uploaded, self.asked_for]

    def metrics(self, process: str) -> dict[tuple[str, str], float]:
        """Scrape a process: values by sample name and the value of the last label."""
        answer = httpx.get(f"http://{monitor_of(self.data_dir, process)}/metrics")
        answer.raise_for_status()
        return {
            (sample.name, next(reversed(sample.labels.values()), "")): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }

    def lines(self, process: str, event: str) -> list[dict[str, object]]:
        """Return the log lines of a process that tell of one kind of event."""
        lines = self.system.process(process).log.read_text().splitlines()
        parsed = [json.loads(line) for line in lines if line.startswith("{")]
        return [line for line in parsed if line["event"] == event]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    from infra.stack import running  # noqa: PLC0415 - only these tests start a stack of their own

    data_dir = tmp_path_factory.mktemp("watched")
    with collecting() as collector:
        env = {"PICMEND_TRACES_ENDPOINT": collector.address, "PICMEND_LOG_LEVEL": "DEBUG"}
        with (
            running(data_dir, env=env, durable=False) as system,
            customer_of(system) as customer,
        ):
            sources = [
                customer.upload("identity", f"{number}.png", picture(seed=number))
                for number in range(UPLOADS)
            ]
            answer = httpx.post(
                f"{system.api_url}/v1/jobs",
                headers={
                    "Authorization": f"Bearer {customer.enrolled.api_key}",
                    "Idempotency-Key": secrets.token_hex(8),
                    "traceparent": THEIRS,
                    "Prefer": "wait=60",
                },
                data={"preset": "identity"},
                files={"image": ("a.png", picture(seed=9))},
                timeout=90,
            )
            assert answer.json()["state"] == "succeeded"
            customer.wait_ended(sources)
            rows = customer.conn.execute(
                "SELECT id FROM jobs WHERE account_id = %s AND origin = 'object'", (customer.id,)
            ).fetchall()
            uploaded = [JobId(row[0]) for row in rows]
            assert len(uploaded) == UPLOADS
            yield Watched(
                system, data_dir, collector, customer, uploaded, JobId(answer.json()["id"])
            )


def test_each_job_is_one_trace_with_one_root_above_all_and_nothing_of_another_job(
    watched: Watched,
) -> None:
    def told() -> bool:
        return all(
            {span.name for span in watched.collector.of(job)} >= OF_AN_UPLOAD
            for job in watched.uploaded
        )

    wait_until(told, within_s=30, what="every span of every upload")
    for job in watched.uploaded:
        spans = watched.collector.of(job)
        trace, root = ids.trace_of(job)
        assert {int.from_bytes(span.trace_id, "big") for span in spans} == {trace}
        assert {attribute(span, "picmend.job.id") for span in spans} <= {job, None}
        roots = [span for span in spans if not span.parent_span_id]
        assert [(span.name, int.from_bytes(span.span_id, "big")) for span in roots] == [
            ("job", root)
        ]
        known = {span.span_id for span in spans}
        assert {span.parent_span_id for span in spans if span.parent_span_id} <= known
        assert all(
            roots[0].start_time_unix_nano - 1e9
            <= span.start_time_unix_nano
            <= span.end_time_unix_nano
            for span in spans
        )


def test_a_job_asked_for_with_a_traceparent_is_linked_to_it(watched: Watched) -> None:
    def asked() -> list[Span]:
        spans = watched.collector.of(watched.asked_for)
        return [span for span in spans if span.name == "POST /v1/jobs"]

    wait_until(lambda: bool(asked()), within_s=30, what="the span of the request")
    (span,) = asked()
    ((trace, parent),) = [(link.trace_id.hex(), link.span_id.hex()) for link in span.links]
    assert f"00-{trace}-{parent}-01" == THEIRS
    assert int.from_bytes(span.trace_id, "big") == ids.trace_of(watched.asked_for)[0]
    assert int.from_bytes(span.parent_span_id, "big") == ids.trace_of(watched.asked_for)[1]


def test_the_metrics_tell_of_the_whole_way_of_each_job(watched: Watched) -> None:
    streams, worker = watched.metrics("streams"), watched.metrics("worker")

    def seconds(stage: JobStage) -> float:
        name = "picmend_job_stage_seconds_count"
        return streams.get((name, stage), 0) + worker.get((name, stage), 0)

    assert {stage: seconds(stage) for stage in JobStage} == {
        # Jobs from the API are requested and admitted in their request.
        stage: UPLOADS if stage in (JobStage.REQUESTED, JobStage.ADMITTED) else UPLOADS + 1
        for stage in JobStage
    }
    assert streams["picmend_job_seconds_count", ""] == UPLOADS + 1
    assert worker["picmend_claims_total", ""] == UPLOADS + 1
    assert worker["picmend_claim_refusals_total", ""] == 0
    assert worker["picmend_attempts_total", "succeeded"] == UPLOADS + 1


def test_the_metrics_tell_where_the_system_stands(watched: Watched) -> None:
    def settled() -> bool:
        told = watched.metrics("streams")
        names = {name for name, _ in told}
        return (
            {"picmend_consumer_lag_seconds", "picmend_ledger_sum"} <= names
            and told["picmend_jobs", "queued"] == told["picmend_jobs", "running"] == 0
            and told["picmend_outbox_messages", ""] == 0
            and told["picmend_consumer_lag_messages", "usage"] == 0
            and told["picmend_consumer_lag_seconds", "job-events"] == 0
            and told["picmend_stale_holds", ""] == 0
            and told["picmend_ledger_sum", ""] == 0
        )

    wait_until(settled, within_s=60, what="nothing waits any more, and the metrics say so")


def test_each_process_says_which_it_is(watched: Watched) -> None:
    for process in ("api", "streams", "worker"):
        told = watched.metrics(process)
        assert [value for (name, _), value in told.items() if name == "picmend_process_info"] == [1]


def test_every_line_about_a_job_carries_its_ids(watched: Watched) -> None:
    for topic in ("job-requests", "job-results", "usage", "job-events"):
        lines = [
            line for line in watched.lines("streams", "message_done") if line["topic"] == topic
        ]
        assert {line["job"] for line in lines} >= set(
            watched.uploaded if topic == "job-requests" else watched.jobs
        )
        assert all({"partition", "offset", "stage"} <= line.keys() for line in lines)
        if topic != "job-results":
            assert {line["account"] for line in lines} == {watched.customer.id}
    ended = watched.lines("worker", "attempt_ended")
    assert {line["job"] for line in ended} == set(watched.jobs)
    assert all(
        {"account", "topic", "partition", "offset", "attempt"} <= line.keys() for line in ended
    )


def test_no_log_line_holds_a_secret(watched: Watched) -> None:
    settings = watched.system.settings()
    secret = [
        settings.s3_secret_key.get_secret_value(),
        settings.database_url.get_secret_value(),
        str(watched.customer.enrolled.api_key),
    ]
    for process in ("api", "streams", "worker"):
        text = watched.system.process(process).log.read_text()
        assert not [word for word in secret if word in text]
