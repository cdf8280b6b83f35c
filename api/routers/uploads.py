"""Where to put a file before a job names it."""

from datetime import timedelta
from typing import Final

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.status import HTTP_201_CREATED

from api.access import Access, Caller
from api.bodies import read_json
from api.documented import CALLED, json_body, problems
from api.errors import wrong_field
from schemas import keys
from schemas.api import Upload, UploadRequest
from schemas.errors import ErrorCode
from schemas.ids import new_upload_id

router = APIRouter(prefix="/v1/uploads", tags=["jobs"])

_LINK: Final = timedelta(hours=1)


@router.post(
    "",
    status_code=HTTP_201_CREATED,
    responses=problems(*CALLED, ErrorCode.ACCOUNT_SUSPENDED, ErrorCode.REQUEST_INVALID),
    openapi_extra=json_body(UploadRequest, required=False),
)
async def create_upload(request: Request, caller: Caller) -> Upload:
    """Return a link to PUT one file to; a job then names it by `upload_id`.

    What no job has named is deleted after 24 hours.
    """
    asked = await read_json(request, UploadRequest)
    return await run_in_threadpool(_new_upload, caller, asked)


def _new_upload(caller: Access, asked: UploadRequest) -> Upload:
    services = caller.services
    most = services.settings.max_image_bytes
    if asked.size is not None and asked.size > most:
        raise wrong_field("size", f"it may be {most} at most")
    with caller.session() as session:
        session.must_be_active()
        account_id = session.account.id
    upload_id = new_upload_id()
    expires_at = services.clock.now() + _LINK
    key = keys.staged_key(account_id, upload_id)
    url = services.store.presigned_put(key, _LINK, size=asked.size)
    return Upload(upload_id=upload_id, url=url, expires_at=expires_at, max_bytes=most)
