"""The SQL of what rules are told: what has changed, facts, and who was seen where.

What changes is asked for many subjects at once, a subject's history by itself. Facts of the
sources are summed; hours are those of UTC.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from psycopg import Connection

from domain.admission.facts import NAMES, Bucket, Facts, Subject, SubjectKind
from domain.admission.rules.rule import HISTORY, HOUR, Past, Sighting

NETWORK_SEEN: Final = timedelta(hours=24)
"""How far back the sightings in a network are told."""

_SUMS: Final = ", ".join(f"sum({name})::bigint" for name in NAMES)
_SIGHTING: Final = "s.key_id, s.account_id, s.network, s.country, s.hour, s.requests, s.first_at"
_LAST: Final = datetime(9999, 1, 1, tzinfo=UTC)
_MOST_SIGHTINGS: Final = 20_000
"""Of one key or network: a rule that needs more to be sure is wrong."""


@dataclass(frozen=True, slots=True)
class Touched:
    """A minute of a subject that has changed; `id` is the place in the line."""

    id: int
    subject: Subject
    bucket: datetime


def touched(conn: Connection, limit: int) -> list[Touched]:
    """Return changed minutes that were not judged yet, the oldest change first.

    Whoever sees one of these sees the facts that its writer counted.
    """
    rows = conn.execute(
        "SELECT id, kind, subject, bucket FROM facts_touched ORDER BY id LIMIT %s", (limit,)
    ).fetchall()
    return [
        Touched(id_, Subject(SubjectKind(kind), subject), at) for id_, kind, subject, at in rows
    ]


def take(conn: Connection, ids: Collection[int]) -> None:
    """Take changed minutes away: they are judged when the transaction commits."""
    conn.execute("DELETE FROM facts_touched WHERE id = ANY(%s)", (list(ids),))


def untaken_since(conn: Connection) -> datetime | None:
    """Return since when the oldest changed minute waits to be judged."""
    row = conn.execute("SELECT at FROM facts_touched ORDER BY id LIMIT 1").fetchone()
    return row[0] if row else None


def minutes(
    conn: Connection, wanted: Collection[tuple[Subject, datetime]]
) -> dict[Subject, list[Bucket]]:
    """Return single minutes of subjects."""
    rows = conn.execute(
        f"SELECT kind, subject, bucket, {_SUMS} FROM facts"
        " JOIN unnest(%s::text[], %s::text[], %s::timestamptz[]) AS w (kind, subject, bucket)"
        " USING (kind, subject, bucket) GROUP BY kind, subject, bucket",
        (
            [subject.kind for subject, _ in wanted],
            [subject.id for subject, _ in wanted],
            [at for _, at in wanted],
        ),
    ).fetchall()
    found: dict[Subject, list[Bucket]] = {}
    for kind, id_, at, *sums in rows:
        found.setdefault(Subject(SubjectKind(kind), id_), []).append(Bucket(at, Facts(*sums)))
    return found


def minutes_from(
    conn: Connection, subject: Subject, since: datetime, end: datetime | None = None
) -> list[Bucket]:
    """Return all minutes of a subject from a moment on, oldest first.

    Of one subject, and planned for it each time: how many rows there are differs too much for
    a plan that serves all.
    """
    rows = conn.execute(
        f"SELECT bucket, {_SUMS} FROM facts"
        " WHERE kind = %s AND subject = %s AND bucket >= %s AND bucket < %s"
        " GROUP BY bucket ORDER BY bucket",
        (subject.kind, subject.id, since, _LAST if end is None else end),
        prepare=False,
    ).fetchall()
    return [Bucket(at, Facts(*sums)) for at, *sums in rows]


def hours_before(
    conn: Connection, subject: Subject, end: datetime, span: timedelta = HISTORY
) -> list[Bucket]:
    """Return the hours of a subject's history before a full hour, oldest first.

    Up to 28 days of minutes; planned as `minutes_from`.
    """
    rows = conn.execute(
        f"SELECT hour, {_SUMS} FROM"
        " (SELECT date_bin('1 hour', bucket, 'epoch') AS hour, facts.* FROM facts"
        " WHERE kind = %s AND subject = %s AND bucket >= %s AND bucket < %s OFFSET 0) AS minute"
        " GROUP BY hour ORDER BY hour",
        (subject.kind, subject.id, end - span, end),
        prepare=False,
    ).fetchall()
    return [Bucket(at, Facts(*sums)) for at, *sums in rows]


def sightings(
    conn: Connection, since: Mapping[Subject, datetime], end: datetime | None = None
) -> dict[Subject, list[Sighting]]:
    """Return where keys were seen, and who in networks, each from an hour on; oldest first.

    Of one subject no more than 20,000, the newest.
    """
    found: dict[Subject, list[Sighting]] = {}
    for kind, column in ((SubjectKind.KEY, "key_id"), (SubjectKind.NETWORK, "network")):
        asked = {subject: at for subject, at in since.items() if subject.kind is kind}
        if not asked:
            continue
        rows = conn.execute(
            "SELECT w.subject, s.* FROM unnest(%s::text[], %s::timestamptz[]) AS w (subject, since)"
            f" CROSS JOIN LATERAL (SELECT {_SIGHTING}, s.last_at FROM sightings s"
            f" WHERE s.{column} = w.subject AND s.hour >= w.since"
            " AND (%s::timestamptz IS NULL OR s.hour < %s)"
            " ORDER BY s.hour DESC LIMIT %s) AS s",
            (*_arrays(asked)[1:], end, end, _MOST_SIGHTINGS),
        ).fetchall()
        for id_, *columns in reversed(rows):
            found.setdefault(Subject(kind, id_), []).append(Sighting(*columns))
    return found


def pasts(conn: Connection, before: Mapping[Subject, datetime]) -> dict[Subject, Past]:
    """Return how keys were used, each before a full hour; those that never were are missing."""
    rows = conn.execute(
        "WITH hourly AS (SELECT w.subject, s.hour, max(s.last_at) AS last_at,"
        " array_agg(DISTINCT s.network) AS networks,"
        " count(DISTINCT NULLIF(s.country, '')) AS countries"
        " FROM unnest(%s::text[], %s::timestamptz[]) AS w (subject, until)"
        " JOIN sightings s ON s.key_id = w.subject AND s.hour < w.until"
        " GROUP BY w.subject, s.hour),"
        " ever AS (SELECT subject, array_agg(DISTINCT network) AS networks"
        " FROM hourly, unnest(networks) AS network GROUP BY subject)"
        " SELECT subject, max(last_at), ever.networks, max(cardinality(hourly.networks)),"
        " max(countries) FROM hourly JOIN ever USING (subject) GROUP BY subject, ever.networks",
        _arrays(before)[1:],
    ).fetchall()
    return {
        Subject(SubjectKind.KEY, id_): Past(last_at, frozenset(networks), most, countries)
        for id_, last_at, networks, most, countries in rows
    }


def jobs_within(
    conn: Connection, account_ids: Collection[str], since: datetime, end: datetime
) -> dict[str, int]:
    """Return how many jobs accounts had in a time; those without any are missing."""
    rows = conn.execute(
        "SELECT subject, sum(jobs)::bigint FROM facts WHERE kind = 'account'"
        " AND subject = ANY(%s) AND bucket >= %s AND bucket < %s GROUP BY subject",
        (list(account_ids), since, end),
    ).fetchall()
    return dict(rows)


def active(
    conn: Connection, kinds: Collection[SubjectKind], since: datetime, end: datetime
) -> list[Subject]:
    """Return the subjects that have facts in a time, in order."""
    rows = conn.execute(
        "SELECT DISTINCT kind, subject FROM facts"
        " WHERE kind = ANY(%s) AND bucket >= %s AND bucket < %s ORDER BY kind, subject",
        ([str(kind) for kind in kinds], since, end),
    ).fetchall()
    return [Subject(SubjectKind(kind), subject) for kind, subject in rows]


def prune(conn: Connection, before: datetime, limit: int) -> int:
    """Delete facts and sightings of the time before, some at a time; return how many."""
    # By place in the table: whatever else changes a row gives it another place.
    facts = conn.execute(
        "DELETE FROM facts WHERE ctid = ANY(ARRAY("
        "SELECT ctid FROM facts WHERE bucket < %s LIMIT %s))",
        (before, limit),
    )
    seen = conn.execute(
        "DELETE FROM sightings WHERE ctid = ANY(ARRAY("
        "SELECT ctid FROM sightings WHERE hour < %s LIMIT %s))",
        (before - HOUR, limit),
    )
    return facts.rowcount + seen.rowcount


def _arrays(by_subject: Mapping[Subject, datetime]) -> tuple[list[str], list[str], list[datetime]]:
    return (
        [subject.kind for subject in by_subject],
        [subject.id for subject in by_subject],
        list(by_subject.values()),
    )
