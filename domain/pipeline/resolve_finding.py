"""What people say of a finding: a client appeals, an operator confirms or dismisses it."""

from typing import Final

from psycopg import Connection

from domain.accounts import store as accounts
from domain.admission import findings_store
from domain.admission.findings import Finding, FindingState
from domain.pipeline.restrain import release
from infra.clock import Clock
from schemas.ids import AccountId

LONGEST: Final = 4000
"""Characters of an appeal, and of a note."""


class FindingUnknownError(LookupError):
    """No finding has this id."""

    def __init__(self, finding_id: str) -> None:
        super().__init__(f"no finding {finding_id!r}; `picmend abuse list` shows all")


class FindingResolvedError(Exception):
    """A person has said already what is said now, or dismissed the finding."""


def resolve(
    conn: Connection,
    finding_id: str,
    state: FindingState,
    *,
    note: str,
    by: str,
    clock: Clock,
) -> Finding:
    """Confirm or dismiss a finding and return it; one that is dismissed lifts what it did.

    One that was confirmed may be dismissed still. Raises `FindingUnknownError`,
    `FindingResolvedError`, and `ValueError` for another state, or a note over `LONGEST`.
    """
    if state not in (FindingState.CONFIRMED, FindingState.DISMISSED):
        raise ValueError(f"a finding is confirmed or dismissed, not {state}")
    _require_short(note)
    found = _locked(conn, finding_id)
    if found.state in (state, FindingState.DISMISSED):
        raise FindingResolvedError(f"{finding_id} is {found.state} already, by {found.resolved_by}")
    if state is FindingState.DISMISSED:
        release(conn, finding_id, by=by, clock=clock)
    findings_store.resolve(conn, finding_id, state, note=note, by=by, at=clock.now())
    return _known(conn, finding_id)


def appeal(conn: Connection, finding_id: str, text: str, *, clock: Clock) -> Finding:
    """Note what a client says against a finding and return it; nothing is lifted by that.

    Raises `FindingUnknownError`, `FindingResolvedError` when it is dismissed, and `ValueError`
    for an empty text or one over `LONGEST`.
    """
    if not text.strip():
        raise ValueError("an appeal says something")
    _require_short(text)
    found = _locked(conn, finding_id)
    if found.state is FindingState.DISMISSED:
        raise FindingResolvedError(f"{finding_id} is dismissed already, by {found.resolved_by}")
    findings_store.appeal(conn, finding_id, text, clock.now())
    return _known(conn, finding_id)


def _require_short(text: str) -> None:
    if len(text) > LONGEST:
        raise ValueError(f"{len(text)} characters, over {LONGEST}")
    if "\0" in text:
        raise ValueError("the text holds U+0000")


def _locked(conn: Connection, finding_id: str) -> Finding:
    """Lock the account first, then the finding, as the judge does."""
    found = _known(conn, finding_id)
    if found.account_id is not None:
        accounts.lock_to_change(conn, AccountId(found.account_id))
    locked = findings_store.get(conn, finding_id, lock=True)
    return locked or found


def _known(conn: Connection, finding_id: str) -> Finding:
    found = findings_store.get(conn, finding_id) if "\0" not in finding_id else None
    if found is None:
        raise FindingUnknownError(finding_id)
    return found
