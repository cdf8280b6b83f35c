"""Asking the rules: which of them match what is known of a subject, and which of them fail."""

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from domain.admission.facts import BUCKET, Subject
from domain.admission.rulebook import Versioned
from domain.admission.rules.ladder import Mode
from domain.admission.rules.rule import Known, Match

MOST_EVIDENCE: Final = 8
_LONGEST: Final = 255
_LONGEST_ERROR: Final = 1000


@dataclass(frozen=True, slots=True)
class Verdict:
    """A rule matched a subject, or raised: then `error` says what, and the match is empty."""

    asked: Versioned
    known: Known
    match: Match
    error: str | None = None


class BadEvidenceError(ValueError):
    """What a rule gave as evidence is not evidence."""


def judge(
    known: Known,
    settings: Iterable[Versioned],
    allowed: Collection[tuple[str, Subject]] = (),
) -> Iterator[Verdict]:
    """Yield what rules say of a subject: those that are asked of its kind and not switched off.

    `allowed` are the rules, by name, that overlook subjects. A rule that raises is a verdict,
    too, and the others are asked all the same.
    """
    for asked in settings:
        rule = asked.rule
        if (
            known.subject.kind not in rule.kinds
            or asked.setting.mode is Mode.OFF
            or (rule.name, known.subject) in allowed
        ):
            continue
        try:
            match = rule.judge(known, asked.setting.parameters)
            if match is not None:
                _require_plain(match)
        except Exception as error:  # noqa: BLE001 - whatever a rule raises, the others go on
            yield Verdict(asked, known, _nothing(known.until), _told(error))
        else:
            if match is not None:
                yield Verdict(asked, known, match)


def _nothing(until: datetime) -> Match:
    return Match(BUCKET, until - BUCKET, {})


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".replace("\0", "\N{REPLACEMENT CHARACTER}")[
        :_LONGEST_ERROR
    ]


def _require_plain(match: Match) -> None:
    if len(match.evidence) > MOST_EVIDENCE:
        raise BadEvidenceError(f"{len(match.evidence)} members, over {MOST_EVIDENCE}")
    for name, value in match.evidence.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise BadEvidenceError(f"{name} is {value}")
        if isinstance(value, str) and len(value) > _LONGEST:
            raise BadEvidenceError(f"{name} is longer than {_LONGEST} characters")
        if isinstance(value, int) and abs(value) >= 2**63:
            raise BadEvidenceError(f"{name} is {value}, which no column holds")
