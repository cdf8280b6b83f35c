"""Dead letters grouped by what is wrong with them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from infra.dead_letters import DeadLetter, Place

_IDS: Final = re.compile(r"\b(job|acc|upl|evt)_[a-z0-9]+")
_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
_HEX: Final = re.compile(r"\b(?=[0-9a-f]*[0-9])[0-9a-f]{8,}\b", re.IGNORECASE)
_NUMBERS: Final = re.compile(r"\d+")


@dataclass(slots=True)
class Group:
    """Open letters of one topic that are wrong in one way, and where the first of them lies.

    `error` is its text without what differs from one to the next.
    """

    topic: str
    reason: str
    error: str
    count: int
    first: datetime
    last: datetime
    example: Place


def grouped(letters: Iterable[DeadLetter]) -> list[Group]:
    """Return one topic's letters counted by reason and error, in the order of those texts."""
    groups: dict[tuple[str, str], Group] = {}
    for letter in letters:
        error = normal(letter.headers.get("error", ""))
        group = groups.setdefault(
            (letter.reason, error),
            Group(letter.source, letter.reason, error, 0, letter.at, letter.at, letter.place),
        )
        group.count += 1
        group.first = min(group.first, letter.at)
        group.last = max(group.last, letter.at)
    return [groups[which] for which in sorted(groups)]


def normal(error: str) -> str:
    """Return an error's text with ids, quoted names, hashes and numbers made the same."""
    text = _QUOTED.sub("'…'", error)
    text = _IDS.sub(lambda found: f"{found[1]}_…", text)
    text = _HEX.sub("#", text)
    return _NUMBERS.sub("#", text)
