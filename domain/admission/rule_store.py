"""The SQL of the rules' settings, in versions; and of whom rules overlook."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import class_row, dict_row

from domain.admission.facts import Subject, SubjectKind
from domain.admission.rulebook import (
    Change,
    Rulebook,
    RuleSettingError,
    Versioned,
    changed,
    parsed,
    rule_named,
)
from domain.admission.rules import RULES
from domain.admission.rules.ladder import Ladder, Mode, Severity
from domain.admission.rules.rule import Setting

UNWRITTEN: Final = 0
_BY_DEFAULT: Final = "picmend"
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Allowed:
    """A rule overlooks a subject, until then or until it is ended."""

    id: int
    rule: str
    kind: SubjectKind
    subject: str
    until: datetime | None
    reason: str
    by: str
    at: datetime


def write_defaults(conn: Connection, at: datetime) -> None:
    """Write the settings that come with picmend as version 1, where there is none."""
    for rule in RULES.values():
        for plan, setting in rule.defaults.items():
            _insert(conn, Versioned(rule, plan, 1, setting, _BY_DEFAULT, at))


def write(
    conn: Connection, rule_name: str, plan: str, change: Change, *, by: str, at: datetime
) -> Versioned:
    """Write the next version of how a rule stands for a plan, and return it.

    The first one of a plan begins with what stood for it before. Raises `RuleSettingError`;
    then nothing was written. The plan must exist.
    """
    rule = rule_named(rule_name)
    write_defaults(conn, at)
    now = load(conn).of(rule.name, plan)
    row = conn.execute(
        "SELECT coalesce(max(version), 0) FROM abuse_rules WHERE rule = %s AND plan = %s",
        (rule.name, plan),
    ).fetchone()
    version = int(row[0]) + 1 if row else 1
    setting = changed(rule, now.setting, change)
    new = Versioned(rule, plan, version, setting, by, at)
    if not _insert(conn, new):
        raise RuleSettingError(f"{rule.name}: somebody else wrote version {version}; call again")
    return new


def load(conn: Connection) -> Rulebook:
    """Return how every rule stands for every plan.

    As it comes with picmend, in version `UNWRITTEN`, where nothing readable is written.
    """
    settings: dict[tuple[str, str], Versioned] = {}
    unreadable: list[str] = []
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "SELECT rule, plan, version, mode, severity, parameters, ladder, fail_closed, by, at"
            " FROM abuse_rules WHERE rule = ANY(%s) ORDER BY rule, plan, version DESC",
            (list(RULES),),
        ).fetchall()
    for row in rows:
        key = (row["rule"], row["plan"])
        if key not in settings:
            try:
                settings[key] = _versioned(row)
            except RuleSettingError as error:
                unreadable.append(f"{row['plan']} {row['version']}: {error}")
    for rule in RULES.values():
        for plan, setting in rule.defaults.items():
            if (rule.name, plan) not in settings:
                settings[rule.name, plan] = Versioned(
                    rule, plan, UNWRITTEN, setting, _BY_DEFAULT, _NEVER
                )
    return Rulebook(settings, tuple(unreadable))


def history(conn: Connection, rule_name: str) -> list[dict[str, Any]]:
    """Return all versions of a rule as they are stored, the newest first."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "SELECT rule, plan, version, mode, severity, parameters, ladder, fail_closed, by, at"
            " FROM abuse_rules WHERE rule = %s ORDER BY plan, version DESC",
            (rule_named(rule_name).name,),
        ).fetchall()


def allowed(conn: Connection, at: datetime) -> list[Allowed]:
    """Return whom rules overlook at a time."""
    with conn.cursor(row_factory=class_row(Allowed)) as cursor:
        return cursor.execute(
            "SELECT id, rule, kind, subject, until, reason, by, at FROM abuse_allowed"
            " WHERE ended_at IS NULL AND (until IS NULL OR until > %s) ORDER BY id",
            (at,),
        ).fetchall()


def allow(
    conn: Connection,
    rule_name: str,
    subject: Subject,
    *,
    until: datetime | None,
    reason: str,
    by: str,
    at: datetime,
) -> None:
    """Let a rule overlook a subject, instead of what was said of the two before.

    Raises `RuleSettingError` when there is no such rule, it is not asked of such subjects, or
    the time is over.
    """
    rule = rule_named(rule_name)
    if subject.kind not in rule.kinds:
        raise RuleSettingError(f"{rule.name} is not asked of a {subject.kind}: {subject.id!r}")
    if until is not None and until <= at:
        raise RuleSettingError(f"until: {until.isoformat()} is over")
    disallow(conn, rule.name, subject, at=at)
    conn.execute(
        "INSERT INTO abuse_allowed (rule, kind, subject, until, reason, by, at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (rule.name, subject.kind, subject.id, until, reason, by, at),
    )


def disallow(conn: Connection, rule_name: str, subject: Subject, *, at: datetime) -> bool:
    """Let a rule look at a subject again; False when it did."""
    done = conn.execute(
        "UPDATE abuse_allowed SET ended_at = %s WHERE rule = %s AND kind = %s AND subject = %s"
        " AND ended_at IS NULL AND (until IS NULL OR until > %s)",
        (at, rule_name, subject.kind, subject.id, at),
    )
    return done.rowcount > 0


def _insert(conn: Connection, new: Versioned) -> bool:
    done = conn.execute(
        "INSERT INTO abuse_rules (rule, plan, version, mode, severity, parameters, ladder,"
        " fail_closed, by, at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        (
            new.rule.name,
            new.plan,
            new.version,
            new.setting.mode,
            new.setting.severity,
            new.setting.parameters.model_dump_json(),
            new.setting.ladder.model_dump_json(exclude_none=True),
            new.setting.fail_closed,
            new.by,
            new.at,
        ),
    )
    return done.rowcount == 1


def _versioned(row: dict[str, Any]) -> Versioned:
    rule = rule_named(row["rule"])
    return Versioned(
        rule,
        row["plan"],
        row["version"],
        Setting(
            parsed(rule.parameters, row["parameters"], of=rule.name),
            Severity(row["severity"]),
            parsed(Ladder, row["ladder"], of=f"{rule.name}: ladder"),
            Mode(row["mode"]),
            row["fail_closed"],
        ),
        row["by"],
        row["at"],
    )
