"""The SQL of operations, presets and prices."""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from psycopg import Connection

from domain.catalogue.model import Catalogue, Operation, Preset, Price, Pricing
from schemas.operations import OperationName, parse_parameters

_KNOWN: Final = [name.value for name in OperationName]


def load(conn: Connection, account_ids: Collection[str], at: datetime) -> Catalogue:
    """Return the catalogue as it holds at `at`, with the presets that these accounts own.

    Operations that only a newer version knows are left out, with their presets and prices.
    """
    return Catalogue(
        operations={operation.name: operation for operation in _operations(conn)},
        presets={(p.account_id, p.name): p for p in _presets(conn, account_ids)},
        prices={(p.operation, p.unit): p for p in _prices(conn, at)},
    )


def _operations(conn: Connection) -> list[Operation]:
    rows = conn.execute(
        "SELECT name, max_bytes, max_pixels, max_side, pricing FROM operations"
        " WHERE name = ANY(%s)",
        (_KNOWN,),
    ).fetchall()
    return [
        Operation(OperationName(name), max_bytes, max_pixels, max_side, Pricing(pricing))
        for name, max_bytes, max_pixels, max_side, pricing in rows
    ]


def _presets(conn: Connection, account_ids: Collection[str]) -> list[Preset]:
    rows = conn.execute(
        "SELECT name, account_id, operation, parameters FROM presets"
        " WHERE (account_id IS NULL OR account_id = ANY(%s)) AND operation = ANY(%s)",
        (list(account_ids), _KNOWN),
    ).fetchall()
    return [
        Preset(name, account_id, parse_parameters(operation, parameters))
        for name, account_id, operation, parameters in rows
    ]


def _prices(conn: Connection, at: datetime) -> list[Price]:
    rows = conn.execute(
        "SELECT DISTINCT ON (operation, unit) operation, unit, amount, effective_from"
        " FROM prices WHERE effective_from <= %s AND operation = ANY(%s)"
        " ORDER BY operation, unit, effective_from DESC",
        (at, _KNOWN),
    ).fetchall()
    return [
        Price(OperationName(operation), unit, amount, effective_from)
        for operation, unit, amount, effective_from in rows
    ]


def presets_with_mask_file(
    conn: Connection, account_ids: Collection[str]
) -> set[tuple[str | None, str]]:
    """Return the presets (owner or None, name) whose jobs need a second picture as mask."""
    rows = conn.execute(
        "SELECT account_id, name FROM presets"
        " WHERE operation = 'inpaint' AND coalesce(parameters->>'mask', 'file') = 'file'"
        " AND (account_id IS NULL OR account_id = ANY(%s))",
        (list(account_ids),),
    ).fetchall()
    return {(account_id, name) for account_id, name in rows}
