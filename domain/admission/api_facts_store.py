"""The SQL by which is written down what the API saw."""

from collections.abc import Mapping

from psycopg import Connection

from domain.admission import facts_store
from domain.admission.api_facts import Sighted, Tally, Use
from domain.admission.facts import Source


def write(conn: Connection, tally: Tally) -> None:
    """Add what was counted to what stands there, in the caller's transaction."""
    _sight(conn, tally.sighted)
    facts_store.add(conn, Source.API, tally.facts)


def _sight(conn: Connection, sighted: Mapping[Use, Sighted]) -> None:
    if not sighted:
        return
    uses = list(sighted)
    found = list(sighted.values())
    conn.execute(
        "INSERT INTO sightings AS s"
        " (key_id, account_id, network, country, hour, requests, first_at, last_at)"
        " SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[],"
        "  %s::timestamptz[], %s::bigint[], %s::timestamptz[], %s::timestamptz[])"
        "  AS n (key_id, account_id, network, country, hour, requests, first_at, last_at)"
        " ORDER BY n.key_id, n.hour, n.network"
        " ON CONFLICT (key_id, hour, network) DO UPDATE"
        " SET requests = s.requests + excluded.requests,"
        " country = CASE s.country WHEN '' THEN excluded.country ELSE s.country END,"
        " first_at = least(s.first_at, excluded.first_at),"
        " last_at = greatest(s.last_at, excluded.last_at)",
        (
            [use.key_id for use in uses],
            [one.account_id for one in found],
            [use.network for use in uses],
            [one.country for one in found],
            [use.hour for use in uses],
            [one.requests for one in found],
            [one.first_at for one in found],
            [one.last_at for one in found],
        ),
    )
