"""Where a job that ended without success may have left a result all the same.

A worker stores a result before it reports it. If it dies between the two, its job may be
cancelled, expire or fail before another attempt succeeds: then nobody pays for what lies there.
"""

from schemas import keys
from schemas.events import JobChanged
from schemas.ids import AccountId
from schemas.keys import UploadKey
from schemas.operations import ImageFormat
from schemas.states import TERMINAL, JobState, Origin


def possible_results(event: JobChanged) -> list[str]:
    """Return every key under which a job may have left a result that nobody asks for any more.

    None for a job that goes on, succeeded, or was never handed to a worker. In what format an
    attempt wrote is not told by the event: so there is a key for each. They name the job, and
    so can never be those of another job's result.
    """
    if event.state not in TERMINAL or event.state is JobState.SUCCEEDED or event.attempt == 0:
        return []
    extensions = [form.extension for form in ImageFormat]
    if event.origin is Origin.API:
        account_id = AccountId(event.account_id)
        return [keys.api_result_key(account_id, event.job_id, each) for each in extensions]
    match keys.parse_upload_key(event.source_key or ""):
        case UploadKey() as upload:
            return [keys.result_key(upload, event.job_id, each) for each in extensions]
        case _:
            return []
