"""Whose a key is, how an account stands, who is in a network: what is known beside facts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from psycopg import Connection

from domain.accounts import read as accounts
from domain.accounts.read import Standing
from domain.admission import known_store
from domain.admission.facts import Subject, SubjectKind
from domain.admission.memory import DAY, Memory, Remembered, begins
from domain.admission.rules.rule import EVERY_OTHER, Known, Neighbour, Sighting


class Whose:
    """Whose keys are, how accounts stand, and who is in networks: of some subjects."""

    def __init__(
        self, conn: Connection, memory: Memory, newest: Mapping[Subject, datetime]
    ) -> None:
        ids: dict[SubjectKind, set[str]] = {kind: set() for kind in SubjectKind}
        for subject in newest:
            ids[subject.kind].add(subject.id)
        keys = ids[SubjectKind.KEY]
        self._holders = accounts.holders(conn, keys) if keys else {}
        seen: dict[str, datetime] = {}
        for subject, until in newest.items():
            if subject.kind is SubjectKind.NETWORK:
                for sighting in _sightings(memory, subject):
                    seen[sighting.account_id] = max(until, seen.get(sighting.account_id, until))
        wanted = ids[SubjectKind.ACCOUNT] | set(self._holders.values()) | seen.keys()
        self._standings: dict[str, Standing] = accounts.standings(conn, wanted) if wanted else {}
        self._memory = memory
        self._idle = memory.jobs_of_idle(conn, seen) if seen else {}

    def account_of(self, subject: Subject) -> str | None:
        """Return the account that a subject is, or whose key it is; None of a network."""
        match subject.kind:
            case SubjectKind.ACCOUNT:
                return subject.id
            case SubjectKind.KEY:
                return self._holders.get(subject.id)
            case SubjectKind.NETWORK:
                return None

    def plan(self, subject: Subject) -> str | None:
        """Return the plan by which a subject is judged; None when there is no such account."""
        if subject.kind is SubjectKind.NETWORK:
            return EVERY_OTHER
        standing = self._standings.get(self.account_of(subject) or "")
        return standing.plan if standing else None

    def known(self, subject: Subject, plan: str, own: Remembered, until: datetime) -> Known:
        """Return all that rules may know of a subject at a time."""
        account_id = self.account_of(subject)
        standing = self._standings.get(account_id or "")
        common = Known(
            subject,
            plan,
            until,
            minutes=own.minutes_at(until),
            hours=own.hours_at(until),
            account_id=account_id,
            account_age=until - standing.created_at if standing else None,
        )
        match subject.kind:
            case SubjectKind.ACCOUNT:
                return common
            case SubjectKind.KEY:
                recent = own.sightings_at(until, begins(until))
                return replace(common, sightings=recent, past=own.past_at(until))
            case SubjectKind.NETWORK:
                seen = own.sightings_at(until, until - known_store.NETWORK_SEEN)
                return replace(
                    common,
                    sightings=seen,
                    neighbours=self._neighbours({one.account_id for one in seen}, until),
                )

    def _neighbours(self, account_ids: set[str], until: datetime) -> dict[str, Neighbour]:
        return {
            id_: Neighbour(one.plan, until - one.created_at, self._jobs(id_, until))
            for id_ in account_ids
            if (one := self._standings.get(id_)) is not None
        }

    def _jobs(self, account_id: str, until: datetime) -> int:
        own = self._memory.get(Subject(SubjectKind.ACCOUNT, account_id))
        if own is None:
            return self._idle.get(account_id, 0)
        return own.jobs_between(until - DAY, until)


def _sightings(memory: Memory, subject: Subject) -> Sequence[Sighting]:
    own = memory.get(subject)
    return own.sightings if own is not None else ()
