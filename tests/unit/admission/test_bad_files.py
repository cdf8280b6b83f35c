from __future__ import annotations

import pytest

from domain.admission.bad_files import is_broken, is_hostile
from schemas.errors import ErrorCode


@pytest.mark.parametrize(
    ("code", "name", "broken", "hostile"),
    [
        (ErrorCode.TRUNCATED_IMAGE, "in/acc_1/identity/a.jpg", True, False),
        (ErrorCode.EMPTY_OBJECT, "", True, False),
        (ErrorCode.UNSUPPORTED_FORMAT, "in/acc_1/identity/a.heic", True, False),
        (ErrorCode.UNSUPPORTED_FORMAT, "in/acc_1/identity/a.JPG", False, True),
        (ErrorCode.UNSUPPORTED_FORMAT, "in/acc_1/identity/a.tif", True, False),
        (ErrorCode.UNSUPPORTED_FORMAT, "in/acc_1/identity/a.gif", False, True),
        (ErrorCode.DECODE_LIMIT, "in/acc_1/identity/a.png", False, True),
        (ErrorCode.QUOTA_EXCEEDED, "in/acc_1/identity/a.png", False, False),
        (None, "in/acc_1/identity/a.png", False, False),
    ],
)
def test_a_file_is_broken_or_hostile_or_neither(
    code: ErrorCode | None, name: str, *, broken: bool, hostile: bool
) -> None:
    assert is_broken(code, name) is broken
    assert is_hostile(code, name) is hostile
