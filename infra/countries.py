"""Which country an address is in, by an operator's own file; without one, nobody is told.

The file is CSV in UTF-8, a network and an ISO 3166 code of two letters in each line, in any order,
with or without a first line of names:

    network,country
    192.0.2.0/24,NL
    2001:db8::/32,CN

Networks may not overlap, and of IPv6 be no smaller than /64. The file is read once, when the
process starts.
"""

import csv
import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path
from typing import Final

_CODE: Final = re.compile(r"[A-Z]{2}")
_NAMES: Final = ["network", "country"]
_IPV4: Final = 4
_IPV6: Final = 6
_HALF: Final = 64
"""Bits of an IPv6 address that tell its network."""


class CountriesUnreadableError(ValueError):
    """A line of the file is not as it must be; the message names it."""


@dataclass(slots=True)
class _Ranges:
    """Ranges of addresses, in order: first and last of each, and the number of its country."""

    first: "array[int]"
    last: "array[int]"
    country: "array[int]" = field(default_factory=lambda: array("H"))

    def find(self, address: int) -> int | None:
        place = bisect_right(self.first, address) - 1
        return self.country[place] if place >= 0 and address <= self.last[place] else None


class Countries:
    """Tells the country of an address."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        """Take the lines of a file as above. Raises `CountriesUnreadableError`."""
        self._codes: list[str] = []
        self._ranges = {
            _IPV4: _Ranges(array("I"), array("I")),
            _IPV6: _Ranges(array("Q"), array("Q")),
        }
        numbers: dict[str, int] = {}
        before = (0, -1)
        for version, first, last, line, code in sorted(_read(lines)):
            if (version, first) <= before:
                raise CountriesUnreadableError(f"line {line}: it overlaps with another network")
            before = (version, last)
            ranges = self._ranges[version]
            ranges.first.append(first)
            ranges.last.append(last)
            ranges.country.append(numbers.setdefault(code, len(numbers)))
        self._codes = list(numbers)

    def of(self, address: IPv4Address | IPv6Address | None) -> str:
        """Return the country's code; empty when the file does not tell."""
        if address is None:
            return ""
        number = int(address) >> (_HALF if address.version == _IPV6 else 0)
        found = self._ranges[address.version].find(number)
        return "" if found is None else self._codes[found]


def load(path: Path | None) -> Countries:
    """Return what a file tells, or who tells nothing without a file.

    Raises `CountriesUnreadableError` and `OSError`: whoever names a file wants it read.
    """
    if path is None:
        return Countries()
    with path.open(encoding="utf-8", newline="") as file:
        try:
            return Countries(file)
        except (CountriesUnreadableError, UnicodeError) as error:
            raise CountriesUnreadableError(f"{path}: {error}") from error


def _read(lines: Iterable[str]) -> Iterator[tuple[int, int, int, int, str]]:
    for number, row in enumerate(csv.reader(lines), start=1):
        if not row or (number == 1 and row == _NAMES):
            continue
        try:
            text, code = row
            network = ip_network(text)
        except ValueError as error:
            raise CountriesUnreadableError(f"line {number}: {error}") from error
        if _CODE.fullmatch(code) is None:
            raise CountriesUnreadableError(f"line {number}: {code!r} is no code of two letters")
        shift = 0
        if network.version == _IPV6:
            if network.prefixlen > _HALF:
                raise CountriesUnreadableError(f"line {number}: {network} is smaller than /{_HALF}")
            shift = _HALF
        first, last = int(network.network_address), int(network.broadcast_address)
        yield network.version, first >> shift, last >> shift, number, code
