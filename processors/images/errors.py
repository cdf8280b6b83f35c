"""Why a file cannot be read as a picture.

ImageRefused
├── EmptyFile           empty_object
├── FileTooLarge        file_too_large
├── UnsupportedFormat   unsupported_format
├── UnreadableImage     unreadable_image
├── TruncatedImage      truncated_image
├── ImageTooLarge       image_too_large
├── TooManyFrames       too_many_frames
└── DecodeLimitReached  decode_limit
"""

from typing import ClassVar

from processors.failures import ProcessingFailure
from schemas.errors import ErrorCode


class ImageRefused(ProcessingFailure):
    """The file is at fault: decoding it again ends the same way."""

    code: ClassVar[ErrorCode] = ErrorCode.UNREADABLE_IMAGE


class EmptyFile(ImageRefused):
    """The file has no bytes."""

    code: ClassVar[ErrorCode] = ErrorCode.EMPTY_OBJECT


class FileTooLarge(ImageRefused):
    """The file has more bytes than the limit."""

    code: ClassVar[ErrorCode] = ErrorCode.FILE_TOO_LARGE


class UnsupportedFormat(ImageRefused):
    """The content is of a format that is not read, whatever its name says."""

    code: ClassVar[ErrorCode] = ErrorCode.UNSUPPORTED_FORMAT


class UnreadableImage(ImageRefused):
    """The content begins like a picture and is none that can be read."""

    code: ClassVar[ErrorCode] = ErrorCode.UNREADABLE_IMAGE


class TruncatedImage(ImageRefused):
    """The file ends before its picture does."""

    code: ClassVar[ErrorCode] = ErrorCode.TRUNCATED_IMAGE


class ImageTooLarge(ImageRefused):
    """The picture has more pixels, a longer side, or is longer for its width, than the limit."""

    code: ClassVar[ErrorCode] = ErrorCode.IMAGE_TOO_LARGE


class TooManyFrames(ImageRefused):
    """The animation has more frames than the limit."""

    code: ClassVar[ErrorCode] = ErrorCode.TOO_MANY_FRAMES


class DecodeLimitReached(ImageRefused):
    """Decoding took more time or memory than the limit, or crashed the decoder."""

    code: ClassVar[ErrorCode] = ErrorCode.DECODE_LIMIT


def refusal(code: str, message: str) -> ImageRefused:
    """Return the error of that code; one that is not listed above is `UnreadableImage`."""
    for kind in ImageRefused.__subclasses__():
        if kind.code == code:
            return kind(message)
    return UnreadableImage(message)
