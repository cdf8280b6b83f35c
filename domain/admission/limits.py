"""A limit as people write it: `jobs_per_day=1000`, `upscale:jobs_per_day=20`, `…=unlimited`."""

from dataclasses import dataclass
from typing import Final, Self

from schemas.decisions import Quota
from schemas.operations import OperationName

LARGEST: Final = 10**15
"""No limit is larger: what is meant to be beyond it is unlimited."""

UNLIMITED: Final = "unlimited"

_OF_REQUESTS: Final = frozenset({Quota.REQUESTS_PER_SECOND, Quota.REQUEST_BURST})


class LimitInvalidError(ValueError):
    """Not a limit that can be kept."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How much of a quota is allowed, of an operation or (None) of all; a value of None: any.

    Raises `LimitInvalidError` for a value below 0 or absurdly large, and for requests to the
    API, which are of no operation, limited by one.
    """

    quota: Quota
    operation: OperationName | None
    value: int | None

    def __post_init__(self) -> None:
        if self.operation is not None and self.quota in _OF_REQUESTS:
            raise LimitInvalidError(f"{self.quota} is of no operation: leave out {self.operation}")
        if self.value is not None and not 0 <= self.value <= LARGEST:
            raise LimitInvalidError(
                f"{self.value} is no limit for {self.name}: it is from 0 to {LARGEST},"
                f" or {UNLIMITED}"
            )

    @property
    def name(self) -> str:
        """Return what it limits, as it is written before the `=`."""
        return f"{self.operation}:{self.quota}" if self.operation else str(self.quota)

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"{self.name}={UNLIMITED if self.value is None else self.value}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a limit. Raises `LimitInvalidError`, which says what can be written."""
        name, equals, value = text.partition("=")
        operation, colon, quota = name.rpartition(":")
        if not equals:
            raise LimitInvalidError(f"{text!r} has no '='; write such as jobs_per_day=1000")
        if quota not in set(Quota):
            raise LimitInvalidError(f"no quota {quota!r}; there are {', '.join(Quota)}")
        if colon and operation not in set(OperationName):
            raise LimitInvalidError(
                f"no operation {operation!r}; there are {', '.join(OperationName)}"
            )
        return cls(Quota(quota), OperationName(operation) if colon else None, _value(value))


def _value(text: str) -> int | None:
    if text == UNLIMITED:
        return None
    # Long before `int` gets slow, or takes other scripts' digits.
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= len(str(LARGEST))):
        raise LimitInvalidError(
            f"{text[:40]!r} is no value: it is a whole number from 0 to {LARGEST}, or {UNLIMITED}"
        )
    return int(text)
