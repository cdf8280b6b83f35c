"""Amounts as people write them, and as the ledger counts them. No floats on the way."""

import re

from domain.billing.errors import AmountError
from domain.billing.model import LARGEST_AMOUNT

_DIGITS = {"CNY": 4}
"""How many decimal places each currency's minor unit has: CNY counts 1/10000 yuan."""

_WRITTEN = re.compile(r"(-?)(\d{1,16})(?:\.(\d{1,16}))?", re.ASCII)


def currencies() -> frozenset[str]:
    """Return the currencies that accounts can be kept in."""
    return frozenset(_DIGITS)


def to_minor(text: str, currency: str) -> int:
    """Return the minor units in a decimal number such as "12.5".

    Raises `AmountError` for anything else, for more places than the currency has, and for
    more than `LARGEST_AMOUNT`: nothing is rounded.
    """
    places = _places(currency)
    written = _WRITTEN.fullmatch(text.strip())
    if written is None:
        raise AmountError(f"{text!r} is not an amount; write it like 12.50")
    sign, whole, fraction = written[1], written[2], written[3] or ""
    if len(fraction) > places:
        raise AmountError(f"{text!r} has {len(fraction)} decimal places; {currency} has {places}")
    amount = int(whole + fraction.ljust(places, "0"))
    if amount > LARGEST_AMOUNT:
        raise AmountError(f"{text!r} is more than can be posted at once")
    return -amount if sign else amount


def to_text(amount: int, unit: str) -> str:
    """Return an amount as people read it: "12.5000 CNY"; other units as whole numbers."""
    if unit not in _DIGITS:
        return f"{amount} {unit}"
    places = _DIGITS[unit]
    digits = str(abs(amount)).rjust(places + 1, "0")
    sign = "-" if amount < 0 else ""
    return f"{sign}{digits[:-places]}.{digits[-places:]} {unit}"


def _places(currency: str) -> int:
    if currency not in _DIGITS:
        known = ", ".join(sorted(_DIGITS))
        raise AmountError(f"{currency!r} is not a currency kept here; those are {known}")
    return _DIGITS[currency]
