"""What to do about a file that has no result."""

from typing import Final

from schemas.errors import ErrorCode

_ADVICE: Final = {
    ErrorCode.EMPTY_OBJECT: "get the file again: nothing of it arrived but its name",
    ErrorCode.TRUNCATED_IMAGE: "get the whole file again: its end is missing",
    ErrorCode.UNREADABLE_IMAGE: "see whether another program opens it; if so, save it anew as PNG",
    ErrorCode.FILE_TOO_LARGE: "save it with stronger compression",
    ErrorCode.IMAGE_TOO_LARGE: "cut it, or ask for a smaller factor or another --format",
    ErrorCode.TOO_MANY_FRAMES: "save the frame that you want as a picture of its own",
    ErrorCode.DECODE_LIMIT: "save it anew as a plain JPEG or PNG",
    ErrorCode.ALPHA_MISSING: "erase what is to be filled, or mark it with a mask file",
}


def advice_for(code: ErrorCode | None) -> str | None:
    """Return what to do, where the reason does not say it already."""
    return None if code is None else _ADVICE.get(code)
