"""The SQL by which facts are counted. Whoever counts does so in the transaction of the effect."""

from collections.abc import Mapping
from datetime import datetime

from psycopg import Connection, sql
from pydantic_core import to_json

from domain.admission.facts import NAMES, Facts, Source, Subject

_COLUMNS = sql.SQL(", ").join(map(sql.Identifier, NAMES))
_ADD = sql.SQL(
    "INSERT INTO facts AS f (kind, subject, bucket, source, {columns})"
    " SELECT kind, subject, bucket, source, {columns}"
    " FROM json_populate_recordset(NULL::facts, %s::json)"
    " ORDER BY kind, subject, bucket"
    " ON CONFLICT (kind, subject, bucket, source) DO UPDATE SET {sums}"
).format(
    columns=_COLUMNS,
    sums=sql.SQL(", ").join(
        sql.SQL("{name} = f.{name} + excluded.{name}").format(name=sql.Identifier(name))
        for name in NAMES
    ),
)


def add(
    conn: Connection, source: Source, counted: Mapping[tuple[Subject, datetime], Facts]
) -> None:
    """Add to what subjects did in minutes, each by its beginning, and note that it changed.

    Rows are locked in the order of kind, subject and minute. Last of all locks in a transaction.
    """
    if not counted:
        return
    rows = [
        {"kind": subject.kind, "subject": subject.id, "bucket": at, "source": source}
        | {name: getattr(facts, name) for name in NAMES}
        for (subject, at), facts in counted.items()
    ]
    told = to_json(rows).decode()
    conn.execute(_ADD, (told,))
    conn.execute(
        "INSERT INTO facts_touched (kind, subject, bucket)"
        " SELECT * FROM unnest(%s::text[], %s::text[], %s::timestamptz[])",
        (
            [subject.kind for subject, _ in counted],
            [subject.id for subject, _ in counted],
            [at for _, at in counted],
        ),
    )
