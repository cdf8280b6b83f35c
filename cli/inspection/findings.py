"""What can be wrong outside of the database: each finding's name, and its remedy."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from domain.pipeline import check as domain_check


class OutsideCode(StrEnum):
    """What `picmend check` finds beside the codes of `domain.pipeline.findings`."""

    UPLOAD_WITHOUT_JOB = "upload_without_job"
    RESULT_MISSING = "result_missing"
    RESULT_CHANGED = "result_changed"
    PROBLEM_MISSING = "problem_missing"
    USAGE_NOT_RECORDED = "usage_not_recorded"
    USAGE_NOT_TOLD = "usage_not_told"
    DEAD_LETTERS_OPEN = "dead_letters_open"
    CONSUMER_STANDS_STILL = "consumer_stands_still"
    TASK_NOT_DONE = "task_not_done"


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that is wrong: its stable code, with what, how it showed, and what to do."""

    code: str
    subject: str
    detail: str
    remedy: str


_REMEDIES: Final[dict[OutsideCode, str]] = {
    OutsideCode.UPLOAD_WITHOUT_JOB: (
        "`picmend jobs stuck --store` tells why; the reconciler finds it within a minute when a "
        "`streams` process runs"
    ),
    OutsideCode.RESULT_MISSING: (
        "nobody but picmend may delete under out/: see who did, restore the object from the "
        "store's backup, or upload its source again and credit the charge"
    ),
    OutsideCode.RESULT_CHANGED: (
        "nobody but picmend may write under out/: see who did, restore the object from the "
        "store's backup, or upload its source again and credit the charge"
    ),
    OutsideCode.PROBLEM_MISSING: (
        "`picmend dlq list` shows whether its event was refused; else read job-events again: "
        "stop `streams`, set the group `picmend` back on that topic, start `streams`"
    ),
    OutsideCode.USAGE_NOT_RECORDED: (
        "`picmend dlq list` shows whether billing refused it: mend, then `picmend dlq replay "
        "usage`; `picmend status` shows whether billing is behind"
    ),
    OutsideCode.USAGE_NOT_TOLD: (
        "analysts lack it, the ledger does not: see whether the topic lost messages, and send "
        "them the row of usage_events"
    ),
    OutsideCode.DEAD_LETTERS_OPEN: (
        "`picmend dlq list` groups them by cause, `picmend dlq show {subject}` shows them; mend "
        "the cause, then `picmend dlq replay {subject}` or `drop`"
    ),
    OutsideCode.CONSUMER_STANDS_STILL: (
        "see whether it halted for refused input (metric picmend_consumer_halted, log "
        "`stage_halted`), else `picmend doctor --process` and `picmend status`"
    ),
    OutsideCode.TASK_NOT_DONE: (
        "start a `streams` process, or see in its log why {subject} does not run"
    ),
}


def outside(code: OutsideCode, subject: str, detail: str) -> Found:
    """Return a finding with its remedy."""
    return Found(code, subject, detail, _REMEDIES[code].format(subject=subject))


def inside(finding: domain_check.Finding) -> Found:
    """Return a finding of the database's check with its remedy."""
    return Found(finding.code, finding.subject, finding.detail, domain_check.remedy(finding))
