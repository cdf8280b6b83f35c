"""Every event of a job carries the job's trace, which follows from the job's id alone."""

import hashlib
import re
from typing import Any

from schemas import events, ids
from schemas.events import EventData
from schemas.ids import JobId

JOB = JobId("job_" + "a2" * 16)
Samples = dict[type[EventData], events.Event[Any]]


def test_a_traceparent_is_of_the_form_that_w3c_gives_it() -> None:
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", ids.traceparent(JOB))


def test_a_trace_is_the_first_16_bytes_of_the_hash_and_its_root_span_the_next_8() -> None:
    digest = hashlib.sha256(JOB.encode()).hexdigest()

    assert ids.traceparent(JOB) == f"00-{digest[:32]}-{digest[32:48]}-01"
    assert ids.trace_of(JOB) == (int(digest[:32], 16), int(digest[32:48], 16))


def test_every_event_of_a_job_carries_its_trace(samples: Samples) -> None:
    of_jobs = {kind: event for kind, event in samples.items() if kind is not events.AbuseFound}

    assert len(of_jobs) == 5
    assert {event.traceparent for event in of_jobs.values()} == {ids.traceparent(JOB)}
    assert (
        f'"traceparent":"{ids.traceparent(JOB)}"'.encode() in of_jobs[events.UsageRecorded].encode()
    )


def test_jobs_have_traces_of_their_own() -> None:
    jobs = [JobId(f"job_{letter * 32}") for letter in "abcdefgh"]

    assert len({ids.trace_of(job) for job in jobs}) == len(jobs)
