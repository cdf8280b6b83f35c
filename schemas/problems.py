"""Problems (RFC 9457): how every refusal and failure is told, by the API and in files.

The API answers in the language that a request asks for. A `.problem.json` file is read by
clients that never asked for one, and must not change when an account changes its language;
so it is in English, as everything else in that file is, with each other language's title
and remedy under `translations`, by BCP 47 tag:

    {"type": "urn:picmend:error:empty_object", "title": "Empty file", …,
     "translations": {"zh-CN": {"title": "文件为空", "remedy": "…"}}}

`code` is what programs decide by. `title` and `remedy` depend on the code alone; `detail`
tells of this one occurrence, with its numbers and names, and is always in English.
"""

from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

from schemas.errors import ErrorCode, http_status, type_uri
from schemas.texts import Locale, text

MEDIA_TYPE: Final = "application/problem+json"


def _encodable(value: object) -> object:
    """Replace lone surrogates, which JSON from a client can hold and UTF-8 cannot."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


Quoted = Annotated[str, BeforeValidator(_encodable)]
"""Text that may quote what a client sent."""


class Wording(BaseModel):
    """What a code means, and what to do next, in one language."""

    model_config = ConfigDict(frozen=True)

    title: str
    remedy: str


class FieldError(BaseModel):
    """One wrong field of a request."""

    model_config = ConfigDict(frozen=True)

    field: Quoted = Field(description="Its path, dots between the parts: parameters.factor")
    message: Quoted


class Problem(BaseModel):
    """A problem of RFC 9457, with a stable code, a remedy, and further members as needed."""

    model_config = ConfigDict(frozen=True, extra="allow")

    __pydantic_extra__: dict[str, JsonValue]

    type: str
    title: str = Field(description="What the code means; the same for every occurrence")
    status: int = Field(description="The HTTP status of the API for this code")
    detail: Quoted = Field(description="What happened this time, in English")
    instance: str | None = None
    code: ErrorCode
    remedy: str = Field(description="What to do next")
    errors: tuple[FieldError, ...] | None = Field(None, description="The wrong fields")
    translations: dict[str, Wording] | None = Field(
        None, description="In files: title and remedy in other languages, by BCP 47 tag"
    )

    def encode(self) -> bytes:
        """Return the body: indented UTF-8 JSON, the same bytes each time."""
        return self.model_dump_json(exclude_none=True, indent=2).encode() + b"\n"


def wording(code: ErrorCode, locale: Locale) -> Wording:
    """Return the title and remedy of a code."""
    return Wording(
        title=text(f"error.{code}.title", locale), remedy=text(f"error.{code}.remedy", locale)
    )


def problem(
    code: ErrorCode,
    *,
    detail: str,
    instance: str | None = None,
    locale: Locale = Locale.EN,
    errors: Sequence[FieldError] = (),
    **members: JsonValue,
) -> Problem:
    """Return a problem in one language; `members` are further members, such as `job_id`."""
    words = wording(code, locale)
    return Problem(
        type=type_uri(code),
        title=words.title,
        status=http_status(code),
        detail=detail,
        instance=instance,
        code=code,
        remedy=words.remedy,
        errors=tuple(errors) or None,
        # Sorted, so that the bytes do not hang on the order in which a caller names them.
        **dict(sorted(members.items())),
    )


def problem_file(
    code: ErrorCode, *, detail: str, instance: str | None = None, **members: JsonValue
) -> Problem:
    """Return the problem of a `.problem.json` file: English, with the other languages inside."""
    others = {locale.tag: wording(code, locale) for locale in Locale if locale is not Locale.EN}
    english = problem(
        code, detail=detail, instance=instance, locale=Locale.EN, errors=(), **members
    )
    return english.model_copy(update={"translations": others})
