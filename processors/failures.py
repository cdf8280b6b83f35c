"""The errors of image processing, each with the stable code that its job ends with.

    ProcessingFailure               processing_failed
    ├── ImageRefused                (see processors.images.errors)
    ├── ChildFailed                 (see processors.sandbox.sandbox)
    ├── MaskRefused                 (see processors.operations.inpaint)
    ├── ContentForbidden            content_refused
    └── ModelUnavailable            model_unavailable

`processors.engine.tiled.Cancelled` is no failure and stands apart.
"""

from typing import ClassVar

from schemas.errors import ErrorCode


class ProcessingFailure(Exception):  # noqa: N818 (its kinds are named by what happened)
    """A job cannot end with a result; `code` says why, the message what was found."""

    code: ClassVar[ErrorCode] = ErrorCode.PROCESSING_FAILED


class ModelUnavailable(ProcessingFailure):
    """The weights of a network are missing, altered or not of its shape.

    `found` says so to anybody; the message adds `mend`, for whoever keeps the weights: it may name
    places on their machine.
    """

    code: ClassVar[ErrorCode] = ErrorCode.MODEL_UNAVAILABLE

    def __init__(self, found: str, mend: str = "") -> None:
        super().__init__(f"{found}; {mend}" if mend else found)
        self.found = found
        self.mend = mend
