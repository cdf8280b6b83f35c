"""The SQL of findings."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from domain.admission.facts import Subject, SubjectKind
from domain.admission.findings import QUIET, REMEMBERED_FOR, Finding, FindingState
from domain.admission.restrictions import Step
from domain.admission.rules.ladder import Mode, Severity

_COLUMNS: Final = (
    "id, rule, plan, version, mode, severity, kind, subject, account_id, level, step, until,"
    " window_start, window_end, evidence, samples, error, found_at, last_at, times, state,"
    " appeal, appealed_at, resolution, resolved_at, resolved_by"
)

About = tuple[str, Subject, bool]
"""A rule by name, whom it found, and whether the finding says that it failed."""


@dataclass(frozen=True, slots=True)
class FindingFilter:
    """Which findings are meant; what is empty does not narrow."""

    states: Collection[FindingState] = ()
    rules: Collection[str] = ()
    mode: Mode | None = None
    account_id: str | None = None
    since: datetime | None = None
    """Of `found_at`."""
    errors_only: bool = False
    """Only those that say that the rule itself failed."""


def earlier(
    conn: Connection, subjects: Collection[Subject], at: datetime
) -> dict[About, list[Finding]]:
    """Return the findings of subjects that count for what follows from another, newest first."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"SELECT {_COLUMNS} FROM abuse_findings"
            " JOIN unnest(%s::text[], %s::text[]) AS w (kind, subject) USING (kind, subject)"
            " WHERE state IN ('open', 'appealed') OR last_at >= %s OR until > %s"
            " OR state = 'confirmed' AND until IS NULL"
            " ORDER BY found_at DESC, id",
            (
                [subject.kind for subject in subjects],
                [subject.id for subject in subjects],
                at - REMEMBERED_FOR,
                at,
            ),
        ).fetchall()
    found: dict[About, list[Finding]] = {}
    for finding in map(_finding, rows):
        about = (finding.rule, finding.subject, finding.error is not None)
        found.setdefault(about, []).append(finding)
    for findings in found.values():
        # The one that stands comes first, whatever else was found in the same moment.
        findings.sort(key=lambda finding: not finding.stands)
    return found


def insert(conn: Connection, finding: Finding) -> bool:
    """Add a finding; False when another one of its rule and subject stands."""
    done = conn.execute(
        f"INSERT INTO abuse_findings ({_COLUMNS})"
        f" VALUES ({', '.join(['%s'] * len(_COLUMNS.split(',')))}) ON CONFLICT DO NOTHING",
        (
            finding.id,
            finding.rule,
            finding.plan,
            finding.version,
            finding.mode,
            finding.severity,
            finding.subject.kind,
            finding.subject.id,
            finding.account_id,
            finding.level,
            finding.step,
            finding.until,
            finding.window_start,
            finding.window_end,
            Jsonb(dict(finding.evidence)),
            list(finding.samples),
            finding.error,
            finding.found_at,
            finding.last_at,
            finding.times,
            finding.state,
            finding.appeal,
            finding.appealed_at,
            finding.resolution,
            finding.resolved_at,
            finding.resolved_by,
        ),
    )
    return done.rowcount == 1


def close(conn: Connection, finding_id: str) -> None:
    """Let an open finding be over."""
    conn.execute(
        "UPDATE abuse_findings SET state = 'over' WHERE id = %s AND state = 'open'", (finding_id,)
    )


def close_quiet(conn: Connection, at: datetime) -> int:
    """Let open findings be over that went on last a while ago and whose step is over."""
    done = conn.execute(
        "UPDATE abuse_findings SET state = 'over'"
        " WHERE state = 'open' AND greatest(last_at, found_at) <= %s"
        " AND (until <= %s OR until IS NULL AND (step = 'flag' OR mode = 'shadow'))",
        (at - QUIET, at),
    )
    return done.rowcount


def go_on(conn: Connection, until: Mapping[str, datetime]) -> None:
    """Note that what was found went on, until then in event time."""
    conn.execute(
        "UPDATE abuse_findings SET times = times + 1, last_at = greatest(last_at, w.at)"
        " FROM unnest(%s::text[], %s::timestamptz[]) AS w (id, at)"
        " WHERE abuse_findings.id = w.id AND state IN ('open', 'appealed')",
        (list(until), list(until.values())),
    )


def climb(conn: Connection, finding: Finding) -> bool:
    """Store the step that an open finding has come to; False when it is not open any more."""
    done = conn.execute(
        "UPDATE abuse_findings SET level = %s, step = %s, until = %s, version = %s, plan = %s,"
        " times = times + 1, last_at = %s WHERE id = %s AND state = 'open'",
        (
            finding.level,
            finding.step,
            finding.until,
            finding.version,
            finding.plan,
            finding.last_at,
            finding.id,
        ),
    )
    return done.rowcount == 1


def get(conn: Connection, finding_id: str, *, lock: bool = False) -> Finding | None:
    """Return a finding, locked if asked for."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            f"SELECT {_COLUMNS} FROM abuse_findings WHERE id = %s" + " FOR UPDATE" * lock,
            (finding_id,),
        ).fetchone()
    return _finding(row) if row else None


def page(conn: Connection, wanted: FindingFilter, *, limit: int) -> list[Finding]:
    """Return findings, the newest first."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"SELECT {_COLUMNS} FROM abuse_findings"
            " WHERE (%(states)s::text[] IS NULL OR state = ANY(%(states)s))"
            " AND (%(rules)s::text[] IS NULL OR rule = ANY(%(rules)s))"
            " AND (%(mode)s::text IS NULL OR mode = %(mode)s)"
            " AND (%(account)s::text IS NULL OR account_id = %(account)s)"
            " AND (%(since)s::timestamptz IS NULL OR found_at >= %(since)s)"
            " AND (NOT %(errors_only)s OR error IS NOT NULL)"
            " ORDER BY found_at DESC, id LIMIT %(limit)s",
            {
                "states": [str(state) for state in wanted.states] or None,
                "rules": list(wanted.rules) or None,
                "mode": wanted.mode,
                "account": wanted.account_id,
                "since": wanted.since,
                "errors_only": wanted.errors_only,
                "limit": limit,
            },
        ).fetchall()
    return [_finding(row) for row in rows]


def overlapping(
    conn: Connection, rules: Sequence[str], since: datetime, end: datetime
) -> list[Finding]:
    """Return what rules found in the minutes of a time, in event time; the earliest first."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"SELECT {_COLUMNS} FROM abuse_findings WHERE rule = ANY(%s) AND error IS NULL"
            " AND window_end > %s AND window_end <= %s ORDER BY window_end, id",
            (list(rules), since, end),
        ).fetchall()
    return [_finding(row) for row in rows]


def appeal(conn: Connection, finding_id: str, text: str, at: datetime) -> None:
    """Store what a client says against a finding; one that stands waits for a person then."""
    conn.execute(
        "UPDATE abuse_findings SET appeal = %s, appealed_at = %s,"
        " state = CASE state WHEN 'open' THEN 'appealed' ELSE state END WHERE id = %s",
        (text, at, finding_id),
    )


def resolve(
    conn: Connection, finding_id: str, state: FindingState, *, note: str, by: str, at: datetime
) -> None:
    """Store what a person says of a finding: confirmed or dismissed."""
    conn.execute(
        "UPDATE abuse_findings SET state = %s, resolution = %s, resolved_at = %s,"
        " resolved_by = %s WHERE id = %s",
        (state, note, at, by, finding_id),
    )


def _finding(row: dict[str, Any]) -> Finding:
    return Finding(
        **{
            **{name: value for name, value in row.items() if name not in ("kind", "subject")},
            "subject": Subject(SubjectKind(row["kind"]), row["subject"]),
            "mode": Mode(row["mode"]),
            "severity": Severity(row["severity"]),
            "step": Step(row["step"]),
            "state": FindingState(row["state"]),
            "samples": tuple(row["samples"]),
        }
    )
