"""What came of each file."""

from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from cli.restoring.advice import advice_for
from processors.operations.result import Report
from schemas.errors import ErrorCode


@dataclass(frozen=True, slots=True)
class Written:
    """The result is there; `size` in bytes, `warnings` by their names."""

    source: Path
    target: Path
    size: int
    seconds: float
    report: Report
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Skipped:
    """There was a file of the result's name already, and it was left as it is."""

    source: Path
    target: Path


@dataclass(frozen=True, slots=True)
class LargeEnough:
    """It has the size that was asked for already, or more; `found` says which."""

    source: Path
    found: str


@dataclass(frozen=True, slots=True)
class Failed:
    """There is no result; `code` is that which a job would end with, where there is one."""

    source: Path
    reason: str
    code: ErrorCode | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """It was not restored, because the command was asked to stop."""

    source: Path


Outcome = Written | Skipped | LargeEnough | Failed | Left


def as_fields(outcome: Outcome) -> dict[str, object]:
    """Return an outcome as one JSON object."""
    match outcome:
        case Written():
            return {
                "input": str(outcome.source),
                "status": "restored",
                "output": str(outcome.target),
                "bytes": outcome.size,
                "seconds": round(outcome.seconds, 3),
                "report": _report_fields(outcome.report),
                "warnings": list(outcome.warnings),
            }
        case Skipped():
            return {
                "input": str(outcome.source),
                "status": "skipped",
                "output": str(outcome.target),
            }
        case LargeEnough():
            return {
                "input": str(outcome.source),
                "status": "skipped",
                "output": None,
                "reason": outcome.found,
            }
        case Failed():
            return {
                "input": str(outcome.source),
                "status": "failed",
                "code": None if outcome.code is None else outcome.code.value,
                "reason": outcome.reason,
                "advice": advice_for(outcome.code),
            }
        case Left():
            return {"input": str(outcome.source), "status": "stopped"}
        case _:
            assert_never(outcome)


def _report_fields(report: Report) -> dict[str, object]:
    return {
        "models": [
            {"name": used.name, "weights_sha256": used.weights_sha256} for used in report.models
        ],
        "input_size": list(report.input_size),
        "output_size": list(report.output_size),
        "tiles": report.tiles,
        "redone": report.redone,
        "device": report.device,
        "precision": report.precision,
        "phases_ms": {phase.name: round(phase.milliseconds, 1) for phase in report.phases},
    }
