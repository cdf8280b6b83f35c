"""Where a result goes, and what trying again asks for."""

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.jobs.model import StoredObject, result_key
from domain.pipeline.retry import NotRetryableError, retry_candidate
from schemas.errors import ErrorCode
from schemas.ids import retry_job_id
from schemas.operations import UpscaleParameters
from schemas.states import TERMINAL, JobState, Origin
from tests.unit.domain.samples import ACCOUNT_ID, AT, JOB, JOB_ID

FAILED = replace(JOB, state=JobState.FAILED, code=ErrorCode.PROCESSING_FAILED, ended_at=AT)


def test_the_result_of_an_upload_lies_where_its_client_looks() -> None:
    expected = f"out/{ACCOUNT_ID}/identity/a/照片 1.jpg.{JOB_ID}.png"

    assert result_key(JOB, "png") == expected


def test_the_result_of_an_api_job_lies_under_its_id() -> None:
    job = replace(JOB, origin=Origin.API, source=StoredObject(f"staged/{ACCOUNT_ID}/upl_x", "0e"))

    assert result_key(job, "jpg") == f"out/{ACCOUNT_ID}/api/{JOB_ID}.jpg"


@pytest.mark.parametrize("key", ["elsewhere/a.jpg", f"in/{ACCOUNT_ID}/identity"])
def test_a_job_whose_key_has_no_form_has_no_place_for_a_result(key: str) -> None:
    with pytest.raises(ValueError, match="no place"):
        result_key(replace(JOB, source=StoredObject(key, "0e")), "jpg")


@pytest.mark.parametrize("state", sorted(TERMINAL - {JobState.SUCCEEDED}))
def test_trying_again_asks_for_the_same_source_under_the_presets_name_alone(
    state: JobState,
) -> None:
    later = AT + timedelta(days=1)

    again = retry_candidate(replace(FAILED, state=state), at=later)

    assert again.job_id == retry_job_id(JOB_ID)
    assert again.job_id != JOB_ID
    assert again.retry_of == JOB_ID
    assert (again.preset, again.parameters) == ("identity", None)
    assert (again.source, again.source_bytes, again.facts) == (JOB.source, 1000, JOB.header)
    assert (again.requested_at, again.expires_at) == (later, None)
    assert retry_candidate(FAILED, at=later).job_id == again.job_id


def test_a_job_without_a_preset_is_tried_again_with_its_parameters() -> None:
    asked = replace(FAILED, preset=None, parameters=UpscaleParameters(model="anime"))

    assert retry_candidate(asked, at=AT).parameters == UpscaleParameters(model="anime")


@pytest.mark.parametrize("state", sorted((set(JobState) - TERMINAL) | {JobState.SUCCEEDED}))
def test_what_has_not_ended_or_has_succeeded_is_not_tried_again(state: JobState) -> None:
    with pytest.raises(NotRetryableError, match=JOB_ID):
        retry_candidate(replace(JOB, state=state), at=AT)


def test_a_source_that_was_never_read_must_be_uploaded_again() -> None:
    unread = replace(FAILED, state=JobState.REJECTED, header=None, code=ErrorCode.UNREADABLE_IMAGE)

    with pytest.raises(NotRetryableError, match="upload it again"):
        retry_candidate(unread, at=AT)
