"""The seam where content rules look at a picture, between decoding and restoring."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from processors.failures import ProcessingFailure
from processors.images.image import Image
from schemas.errors import ErrorCode


@dataclass(frozen=True, slots=True)
class Allowed:
    """Nothing speaks against the picture."""


@dataclass(frozen=True, slots=True)
class Forbidden:
    """The picture must not be restored; `category` says under which rule."""

    category: str


Verdict = Allowed | Forbidden
Inspect = Callable[[Image], Verdict]


class ContentForbidden(ProcessingFailure):
    """The content rules do not let the picture be restored; `category` says under which."""

    code: ClassVar[ErrorCode] = ErrorCode.CONTENT_REFUSED

    def __init__(self, category: str) -> None:
        super().__init__(f"the content rules do not allow this picture: {category}")
        self.category = category


def inspect(image: Image) -> Verdict:  # noqa: ARG001 - the rules that look at it come with moderation
    """Return what the content rules say of a picture. There are none yet: it is allowed."""
    return Allowed()
