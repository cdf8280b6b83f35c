"""Cursors: where a page of jobs ended, as text that means nothing to its reader."""

import base64
import binascii
import re
from typing import Final

_FORM: Final = re.compile(r"j1:([1-9][0-9]{0,18})")
_LARGEST: Final = 2**63 - 1


def encode_cursor(seq: int) -> str:
    """Return the cursor for what comes after the job of this place in the line."""
    return base64.urlsafe_b64encode(f"j1:{seq}".encode()).decode().rstrip("=")


def decode_cursor(text: str) -> int:
    """Return the place that a cursor stands for. Raises `ValueError` for any other text."""
    try:
        plain = base64.b64decode(
            text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True
        ).decode("ascii")
    except (UnicodeError, binascii.Error) as error:
        raise ValueError("this is no cursor of a page of jobs") from error
    found = _FORM.fullmatch(plain)
    if found is None or int(found[1]) > _LARGEST:
        raise ValueError("this is no cursor of a page of jobs")
    return int(found[1])
