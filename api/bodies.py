"""Reading request bodies, never more of one than is taken."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, Headers
from starlette.formparsers import MultiPartException, MultiPartParser
from typing_extensions import override

from api.errors import BodyTooLargeError, RequestInvalidError, field_errors, wrong_field

LARGEST_JSON: Final = 64 * 1024
_LARGEST_FIELD: Final = 16 * 1024
_MOST_FIELDS: Final = 8
_FRAMING: Final = 64 * 1024
"""Bytes that a form may have beside its parts: boundaries and headers."""

M = TypeVar("M", bound=BaseModel)


async def read_json(request: Request, model: type[M]) -> M:
    """Return the JSON body as `model`; an empty body is one without members.

    Raises `RequestInvalidError`, `BodyTooLargeError`.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_JSON:
            raise BodyTooLargeError(f"the body is over {LARGEST_JSON} bytes")
    try:
        return model.model_validate_json(bytes(body) or b"{}")
    except ValidationError as error:
        raise RequestInvalidError(field_errors(error)) from error


@asynccontextmanager
async def read_form(
    request: Request, *, max_files: int, max_file_bytes: int
) -> AsyncIterator[FormData]:
    """Give a multipart form, files spooled to disk when over 1 MB; closed at the end.

    Raises `RequestInvalidError`, and `BodyTooLargeError` as soon as it has too many bytes,
    before the rest is read.
    """
    most = max_files * max_file_bytes + _MOST_FIELDS * _LARGEST_FIELD + _FRAMING
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most:
        raise BodyTooLargeError(f"the body is {declared} bytes; at most {most} are taken")
    parser = _Form(
        request.headers, _at_most(request, most), max_files=max_files, max_file_bytes=max_file_bytes
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise wrong_field("body", error.message) from error
    try:
        yield form
    finally:
        await form.close()


async def _at_most(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    seen = 0
    async for chunk in request.stream():
        seen += len(chunk)
        if seen > most:
            raise BodyTooLargeError(f"the body is over {most} bytes")
        yield chunk


class _Form(MultiPartParser):
    """Stops at the first file that is too large."""

    def __init__(
        self,
        headers: Headers,
        stream: AsyncGenerator[bytes, None],
        *,
        max_files: int,
        max_file_bytes: int,
    ) -> None:
        super().__init__(
            headers,
            stream,
            max_files=max_files,
            max_fields=_MOST_FIELDS,
            max_part_size=_LARGEST_FIELD,
        )
        self._max_file_bytes = max_file_bytes
        self._part_bytes = 0

    @override
    def on_part_begin(self) -> None:
        super().on_part_begin()
        self._part_bytes = 0

    @override
    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._part_bytes += end - start
        if self._part_bytes > self._max_file_bytes:
            raise BodyTooLargeError(f"a file is over {self._max_file_bytes} bytes")
        super().on_part_data(data, start, end)
