"""How commands about misuse read what they are given, and show what they found."""

import ipaddress
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import typer
from rich.console import Console

from cli.books import print_table
from domain.admission.facts import Subject, SubjectKind
from domain.admission.findings import Finding
from domain.admission.restrictions import Restriction
from domain.admission.rulebook import Versioned


def subject_of(text: str, where: str) -> Subject:
    """Read an account's id, a network such as 192.0.2.0/24, or else an API key's id."""
    if text.startswith("acc_"):
        return Subject(SubjectKind.ACCOUNT, text)
    if "/" not in text and ":" not in text and "." not in text:
        if not text.isalnum():
            raise typer.BadParameter(f"{text!r} is no account, key or network", param_hint=where)
        return Subject(SubjectKind.KEY, text)
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no network: {error}", param_hint=where) from error
    watched = 24 if isinstance(network, ipaddress.IPv4Network) else 48
    if network.prefixlen != watched:
        raise typer.BadParameter(f"{text!r}: networks are watched as /{watched}", param_hint=where)
    return Subject(SubjectKind.NETWORK, str(network))


def moment(text: str, where: str) -> datetime:
    """Read a time in ISO 8601, in UTC when it has no offset."""
    try:
        given = datetime.fromisoformat(text)
        return (given if given.tzinfo else given.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(
            f"{text!r} is no time; write such as 2026-03-01T12:00 (UTC)", param_hint=where
        ) from error


def finding_record(finding: Finding) -> dict[str, Any]:
    """Return a finding as JSON has it."""
    record = asdict(finding)
    record["kind"], record["subject"] = finding.subject.kind, finding.subject.id
    return record


def restriction_record(restriction: Restriction) -> dict[str, Any]:
    """Return a restriction as JSON has it."""
    record = asdict(restriction)
    record["kind"], record["subject"] = restriction.subject.kind, restriction.subject.id
    return record


def versioned_record(versioned: Versioned) -> dict[str, Any]:
    """Return a setting of a rule as JSON has it."""
    return {
        "rule": versioned.rule.name,
        "plan": versioned.plan,
        "version": versioned.version,
        "mode": versioned.setting.mode,
        "severity": versioned.setting.severity,
        "parameters": versioned.setting.parameters.model_dump(mode="json"),
        "ladder": versioned.setting.ladder.model_dump(mode="json", exclude_none=True),
        "on_failure": on_failure(versioned),
        "by": versioned.by,
        "at": versioned.at,
    }


def on_failure(versioned: Versioned) -> str:
    """Say what follows when a rule fails."""
    return "closed" if versioned.setting.fail_closed else "open"


def evidence_text(evidence: Mapping[str, object]) -> str:
    """Say evidence in one line."""
    return ", ".join(f"{name} {value}" for name, value in evidence.items())


def print_findings(findings: list[Finding]) -> None:
    """Print findings as a table."""
    print_table(
        ("finding", "rule", "subject", "mode", "step", "state", "times", "found (UTC)", "evidence"),
        [
            (
                f.id,
                f.rule,
                f.subject.id,
                f.mode,
                f.step,
                f.state,
                f.times,
                f.found_at.astimezone(UTC),
                f.error or evidence_text(f.evidence),
            )
            for f in findings
        ],
    )


def print_finding(finding: Finding, restrictions: list[Restriction]) -> None:
    """Print all of a finding, and what it put in force."""
    rows: list[tuple[str, object]] = [
        ("finding", finding.id),
        ("rule", f"{finding.rule}, version {finding.version} of plan {finding.plan}"),
        ("mode", f"{finding.mode}, {finding.severity}"),
        ("against", f"{finding.subject.kind} {finding.subject.id}"),
        ("account", finding.account_id),
        ("state", finding.state),
        ("step", f"{finding.step} (level {finding.level})"),
        ("step until", finding.until),
        ("window", f"{_short(finding.window_start)} to {_short(finding.window_end)}"),
        ("found", finding.found_at),
        ("went on until", f"{_short(finding.last_at)}, in {finding.times} minutes"),
        ("error", finding.error),
        *((name, value) for name, value in finding.evidence.items()),
        ("jobs", ", ".join(finding.samples) or None),
        ("appeal", finding.appeal),
        ("appealed", finding.appealed_at),
        ("resolution", finding.resolution),
        ("resolved", finding.resolved_at),
        ("resolved by", finding.resolved_by),
    ]
    print_table(("what", "is"), [row for row in rows if row[1] is not None])
    if restrictions:
        print_table(
            ("restriction", "of", "since (UTC)", "until (UTC)", "lifted (UTC)", "by"),
            [
                (r.step, r.subject.id, r.since, r.until, r.lifted_at, r.lifted_by)
                for r in restrictions
            ],
        )


def print_lines(*lines: str) -> None:
    """Print lines of which nothing is markup."""
    for line in lines:
        Console().print(line, markup=False, highlight=False)


def _short(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"
