"""What a request for a new job asks for, read from JSON or from a form."""

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Final

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from pydantic import JsonValue, TypeAdapter, ValidationError
from starlette.datastructures import FormData, UploadFile

from api.bodies import read_form, read_json
from api.errors import ParametersInvalidError, RequestInvalidError, field_errors, wrong_field
from schemas.api import JobRequest, WorkWanted
from schemas.ids import UploadId
from schemas.operations import Parameters, UpscaleParameters, parse_parameters
from schemas.problems import FieldError

JSON: Final = "application/json"
FORM: Final = "multipart/form-data"
_CHUNK: Final = 256 * 1024

_OBJECT: Final[TypeAdapter[dict[str, JsonValue]]] = TypeAdapter(dict[str, JsonValue])
_FIELDS: Final = frozenset({"preset", "operation", "parameters", "expires_at", "priority"})
_FILES: Final = frozenset({"image", "mask"})


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file that was put under an upload id before."""

    upload_id: UploadId


@dataclass(frozen=True, slots=True)
class Sent:
    """A file that came with the request; `sha256` is of its bytes."""

    file: BinaryIO
    size: int
    sha256: str


Source = Uploaded | Sent


_WRITTEN_EVER: Final = {"upscale": ("model", "factor", "format"), "inpaint": ("mask", "format")}
"""What digests hold even where it is a default, as they did before that was left out."""


@dataclass(frozen=True, slots=True)
class Order:
    """A wish for a job: either `preset` names what is to be done, or `parameters` says it."""

    preset: str | None
    parameters: Parameters | None
    expires_at: datetime | None
    image: Source
    mask: Source | None
    priority: int | None = None

    def digest(self) -> bytes:
        """Return the SHA-256 of what is asked for, the same however it was written.

        What is a default is left out, written or not, so that a parameter which is new with its
        default changes no digest; a file that came along stands for its bytes.
        """
        meaning: dict[str, JsonValue] = {
            "preset": self.preset,
            "parameters": _chosen(self.parameters) if self.parameters else None,
            "expires_at": self.expires_at.timestamp() if self.expires_at else None,
            "image": _meaning(self.image),
            "mask": _meaning(self.mask) if self.mask else None,
        }
        if self.priority is not None:
            # Left out where it is not told, as in the requests from before there were priorities.
            meaning["priority"] = self.priority
        return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).digest()


def _chosen(parameters: Parameters) -> dict[str, JsonValue]:
    chosen = parameters.model_dump(mode="json", exclude_defaults=True)
    for name in ("operation", *_WRITTEN_EVER.get(parameters.operation, ())):
        chosen[name] = getattr(parameters, name)
    if isinstance(parameters, UpscaleParameters) and parameters.factor.is_integer():
        # A factor was a whole number once, and 4 is written otherwise than 4.0.
        chosen["factor"] = int(parameters.factor)
    return chosen


@asynccontextmanager
async def read_order(request: Request, *, max_file_bytes: int) -> AsyncIterator[Order]:
    """Give the order in a request's body; files that came with it are open meanwhile.

    Raises `RequestInvalidError`, `ParametersInvalidError`, `BodyTooLargeError`.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    match media_type:
        case "application/json":
            asked = await read_json(request, JobRequest)
            named = asked.mask_upload_id
            yield _order(asked, Uploaded(asked.upload_id), Uploaded(named) if named else None)
        case "multipart/form-data":
            async with read_form(request, max_files=2, max_file_bytes=max_file_bytes) as form:
                image, mask = await _sent(form, "image"), await _sent(form, "mask")
                if image is None:
                    raise wrong_field("image", "Field required")
                yield _order(_wanted(form), image, mask)
        case _:
            raise wrong_field("Content-Type", f"send {JSON} or {FORM}, not {media_type!r}")


def _order(asked: WorkWanted, image: Source, mask: Source | None) -> Order:
    return Order(
        preset=asked.preset,
        parameters=_parameters(asked),
        expires_at=asked.expires_at,
        image=image,
        mask=mask,
        priority=asked.priority,
    )


def _parameters(asked: WorkWanted) -> Parameters | None:
    if asked.operation is None:
        return None
    try:
        return parse_parameters(asked.operation, dict(asked.parameters or {}))
    except ValidationError as error:
        # pydantic's path begins with the operation, by which it chose among them.
        named = [
            FieldError(
                field=f"parameters.{found.field.partition('.')[2]}".rstrip("."),
                message=found.message,
            )
            for found in field_errors(error)
        ]
        raise ParametersInvalidError(named) from error


def _wanted(form: FormData) -> WorkWanted:
    _no_strangers(form)
    fields: dict[str, JsonValue] = {
        name: value
        for name, value in form.items()
        if name in _FIELDS and isinstance(value, str) and value
    }
    try:
        if "parameters" in fields:
            fields["parameters"] = _OBJECT.validate_json(str(fields["parameters"]))
    except (ValidationError, UnicodeEncodeError) as error:
        raise wrong_field("parameters", "it must be a JSON object") from error
    try:
        return WorkWanted.model_validate(fields)
    except ValidationError as error:
        raise RequestInvalidError(field_errors(error)) from error


def _no_strangers(form: FormData) -> None:
    names = [name for name, _ in form.multi_items()]
    for name in names:
        if name not in _FIELDS | _FILES:
            raise wrong_field(name, "there is no such field")
        if names.count(name) > 1:
            raise wrong_field(name, "it may be there only once")


async def _sent(form: FormData, name: str) -> Sent | None:
    match form.get(name):
        case None:
            return None
        case UploadFile(file=file, size=int(size)):
            return Sent(file, size, await run_in_threadpool(_sha256, file))
        case _:
            raise wrong_field(name, "send it as a file, with a file name")


def _sha256(file: BinaryIO) -> str:
    file.seek(0)
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _meaning(source: Source) -> dict[str, JsonValue]:
    match source:
        case Uploaded():
            return {"upload_id": source.upload_id}
        case Sent():
            return {"sha256": source.sha256}
