"""What the database alone can show to be wrong: each rule's name, and its remedy."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from domain.billing import model as billing


class FindingCode(StrEnum):
    """What can be wrong beside the ledger, whose own codes are in `domain.billing.model`."""

    STALE_HOLD = "stale_hold"
    HOLD_WITHOUT_JOB = "hold_without_job"
    HOLD_OF_UNQUEUED = "hold_of_unqueued"
    HOLD_CONTRADICTS_JOB = "hold_contradicts_job"
    JOB_WITHOUT_HOLD = "job_without_hold"
    USAGE_MISSING = "usage_missing"
    USAGE_CONTRADICTS_JOB = "usage_contradicts_job"
    ID_CONTRADICTS_SOURCE = "id_contradicts_source"
    RETRY_CONTRADICTS_JOB = "retry_contradicts_job"
    TRANSITION_MISSING = "transition_missing"
    TRANSITION_ILLEGAL = "transition_illegal"
    ATTEMPT_ILLEGAL = "attempt_illegal"
    STATE_CONTRADICTS_HISTORY = "state_contradicts_history"
    SHARES_MISCOUNTED = "shares_miscounted"
    LEASE_OVER = "lease_over"
    EXPIRED_WAITING = "expired_waiting"
    OUTBOX_OLD = "outbox_old"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: what, and with which job, transaction or account."""

    code: FindingCode | billing.FindingCode
    subject: str
    detail: str


_STORY: Final = "`picmend jobs show {subject} --topics` tells how it came to this"
_DEFECT: Final = (
    f"{_STORY}; the database should refuse this, so keep a backup, and report it as a defect"
)
_LEDGER: Final = (
    "stop `streams` (no money moves then), keep a backup, and correct it by a posting of its "
    "own: entries are never changed"
)

_REMEDIES: Final[dict[FindingCode, str]] = {
    FindingCode.STALE_HOLD: (
        "`picmend dlq list` shows whether billing refused the usage event: mend, then `picmend "
        "dlq replay usage`; `picmend status` shows whether billing is behind"
    ),
    FindingCode.HOLD_WITHOUT_JOB: _DEFECT,
    FindingCode.HOLD_OF_UNQUEUED: _DEFECT,
    FindingCode.HOLD_CONTRADICTS_JOB: _DEFECT,
    FindingCode.JOB_WITHOUT_HOLD: (
        "`picmend jobs cancel {subject}` if it waits, so that no free work is done; "
        "`picmend jobs show {subject} --topics` tells how it came to this"
    ),
    FindingCode.USAGE_MISSING: f"nobody was charged for it; {_STORY}",
    FindingCode.USAGE_CONTRADICTS_JOB: (
        f"if its client was charged for a job without a result, credit the charge; {_STORY}"
    ),
    FindingCode.ID_CONTRADICTS_SOURCE: _DEFECT,
    FindingCode.RETRY_CONTRADICTS_JOB: _DEFECT,
    FindingCode.TRANSITION_MISSING: _DEFECT,
    FindingCode.TRANSITION_ILLEGAL: _DEFECT,
    FindingCode.ATTEMPT_ILLEGAL: _DEFECT,
    FindingCode.STATE_CONTRADICTS_HISTORY: _DEFECT,
    FindingCode.SHARES_MISCOUNTED: (
        "its quotas admit more or fewer jobs than they say: `picmend quota override {subject}` "
        "makes up for it until the month ends; keep a backup, and report it as a defect"
    ),
    FindingCode.LEASE_OVER: (
        "the sweeper takes such jobs back in seconds: see that a `streams` process runs "
        "(`picmend status`) and what its log says of `sweeper`"
    ),
    FindingCode.EXPIRED_WAITING: (
        "the sweeper ends such jobs in seconds: see that a `streams` process runs "
        "(`picmend status`) and what its log says of `sweeper`"
    ),
    FindingCode.OUTBOX_OLD: (
        "the relay sends what waits: see that a `streams` process runs and that Kafka takes "
        "messages (`picmend status`), and what its log says of `relay`"
    ),
}


def remedy(finding: Finding) -> str:
    """Return what to do about a finding."""
    if isinstance(finding.code, billing.FindingCode):
        return _LEDGER
    return _REMEDIES[finding.code].format(subject=finding.subject)
