"""Which files are broken, and which are hostile, by the code that they were refused with."""

from typing import Final

from schemas.errors import ErrorCode

_BROKEN: Final = frozenset(
    {ErrorCode.EMPTY_OBJECT, ErrorCode.TRUNCATED_IMAGE, ErrorCode.UNREADABLE_IMAGE}
)
_BOMBS: Final = frozenset({ErrorCode.DECODE_LIMIT, ErrorCode.TOO_MANY_FRAMES})
# Not .tif, .heic and .avif: some honest kinds of these are not supported.
_PICTURES: Final = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")


def is_broken(code: ErrorCode | None, name: str = "") -> bool:
    """Tell whether a file cannot be read as a picture, and does not pretend to be one."""
    other = code is ErrorCode.UNSUPPORTED_FORMAT and not _is_pictures(name)
    return other or code in _BROKEN


def is_hostile(code: ErrorCode | None, name: str = "") -> bool:
    """Tell whether a file is a bomb, or of another format under the name of a picture."""
    disguised = code is ErrorCode.UNSUPPORTED_FORMAT and _is_pictures(name)
    return disguised or code in _BOMBS


def _is_pictures(name: str) -> bool:
    return name.lower().endswith(_PICTURES)
