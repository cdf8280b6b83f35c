"""One sample of every event, with every optional field that a real one may have."""

from datetime import UTC, datetime
from typing import Any

import pytest

from schemas import events
from schemas.errors import ErrorCode
from schemas.ids import AccountId, JobId
from schemas.operations import ImageFormat, OperationName
from schemas.states import Actor, JobState, Origin

AT = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)
JOB = JobId("job_" + "a2" * 16)
ACCOUNT = AccountId("acc_7k2q")

Samples = dict[type[events.EventData], events.Event[Any]]


@pytest.fixture
def samples() -> Samples:
    requested = events.JobRequested(
        job_id=JOB,
        account_id=ACCOUNT,
        preset="inpaint",
        bucket="uploads",
        key="in/acc_7k2q/inpaint/照片 a+b %41.jpg",
        etag="6bfc2f5a8912f939dc758225705930d0",
        version_id="ea0f775a",
        size=6,
        header=events.HeaderFacts(format=ImageFormat.JPEG, width=640, height=480),
        mask=events.MaskSource(key="in/acc_7k2q/inpaint/a.mask.png", etag="0d", size=9),
        problem=events.Unreadable(code=ErrorCode.TRUNCATED_IMAGE, detail="ends at byte 5"),
        found_by="event",
        uploaded_at=AT,
    )
    dispatched = events.WorkDispatched(job_id=JOB, attempt=2, operation=OperationName.INPAINT)
    finished = events.WorkFinished(
        job_id=JOB,
        attempt=2,
        outcome="succeeded",
        result=events.StoredResult(
            key="out/a.png", etag="0f", size=12, media_type="image/png", width=640, height=480
        ),
        report=events.WorkReport(
            model="fsr", tiles=1, precision="fp32", device="cpu", phases_ms={"decode": 1.5}
        ),
        worker="worker-1",
        started_at=AT,
        finished_at=AT,
    )
    usage = events.UsageRecorded(
        job_id=JOB,
        account_id=ACCOUNT,
        operation=OperationName.INPAINT,
        preset="inpaint",
        outcome=JobState.FAILED,
        code=ErrorCode.PROCESSING_FAILED,
        amount=500,
        unit="CNY",
        environment="live",
        admitted_at=AT,
        ended_at=AT,
        input_bytes=6,
        input_pixels=307_200,
    )
    changed = events.JobChanged(
        job_id=JOB,
        account_id=ACCOUNT,
        version=3,
        state=JobState.SUCCEEDED,
        attempt=2,
        by=Actor.RESULTS,
        at=AT,
        origin=Origin.OBJECT,
        operation=OperationName.INPAINT,
        preset="inpaint",
        source_key="in/acc_7k2q/inpaint/a.jpg",
        result_key="out/a.png",
    )
    found = events.AbuseFound(
        finding_id="fnd_1",
        account_id=ACCOUNT,
        kind="account",
        subject=ACCOUNT,
        rule="burst",
        version=1,
        mode="shadow",
        step="flag",
        severity="low",
        window_start=AT,
        window_end=AT,
        evidence={"uploads": 1000, "share": 0.5, "preset": "inpaint"},
    )
    return {
        events.JobRequested: events.job_requested(requested, at=AT),
        events.WorkDispatched: events.work_dispatched(dispatched, at=AT),
        events.WorkFinished: events.work_finished(finished),
        events.UsageRecorded: events.usage_recorded(usage),
        events.JobChanged: events.job_changed(changed),
        events.AbuseFound: events.abuse_found(found, at=AT),
    }
