"""Request headers with a meaning of their own: Prefer, Idempotency-Key, Accept-Language."""

import re
from typing import Annotated, Final

from fastapi import Depends, Header

from api.errors import IdempotencyKeyMissingError, wrong_field
from schemas.texts import Locale, negotiate

LONGEST_WAIT_S: Final = 60
_LONGEST_KEY: Final = 255

_WAIT: Final = re.compile(r'wait\s*=\s*(?:"(\d{1,9})"|(\d{1,9}))', re.IGNORECASE | re.ASCII)


def parse_wait(prefer: str | None) -> int:
    """Return how many seconds a `Prefer` header (RFC 7240) asks to wait, 60 at most.

    0 when it asks for none. A preference that is not understood is none, as the RFC says;
    of several the first counts.
    """
    for preference in (prefer or "").split(","):
        found = _WAIT.fullmatch(preference.partition(";")[0].strip())
        if found is not None:
            return min(int(found[1] or found[2]), LONGEST_WAIT_S)
    return 0


def check_idempotency_key(key: str | None) -> str:
    """Return an `Idempotency-Key`: 1 to 255 printable ASCII characters.

    Raises `IdempotencyKeyMissingError`, `RequestInvalidError`.
    """
    if not key:
        raise IdempotencyKeyMissingError("a new job needs an Idempotency-Key")
    if len(key) > _LONGEST_KEY or not (key.isascii() and key.isprintable()):
        raise wrong_field(
            "Idempotency-Key", f"it must be 1 to {_LONGEST_KEY} printable ASCII characters"
        )
    return key


async def _wait(
    prefer: Annotated[
        str | None,
        Header(description="`wait=N`: answer when the job has ended, after N seconds at most"),
    ] = None,
) -> int:
    return parse_wait(prefer)


async def _locale(
    accept_language: Annotated[
        str | None, Header(description="The language of titles and remedies: en, zh-CN")
    ] = None,
) -> Locale:
    return negotiate(accept_language)


WaitSeconds = Annotated[int, Depends(_wait)]
Language = Annotated[Locale, Depends(_locale)]
