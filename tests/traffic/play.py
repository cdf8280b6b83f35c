"""Playing scenarios through the real path: facts in Postgres, and the judge behind them.

All scenarios are played on one time line, side by side, a turn is some seconds of event time: what
was done is written as its source writes it, then the judge is asked, at that time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import groupby
from typing import Final

from psycopg import Connection

from domain.accounts import store as accounts
from domain.accounts.model import Account, AccountKind, AccountState, ApiKey
from domain.admission import api_facts_store, facts_store
from domain.admission.api_facts import Sighted, Tally, Use
from domain.admission.facts import NO_FACTS, Facts, Source, Subject, SubjectKind, bucket_of
from domain.admission.rules.ladder import Mode
from schemas.ids import AccountId
from streams.judge import Judge
from tests.traffic.acts import LASTS, START, TICK, Act, Client
from tests.traffic.scenario import Scenario

AT_LATEST: Final = timedelta(seconds=60)
"""So long after misuse has crossed its rule's definition, in event time, it must be found."""


@dataclass(frozen=True, slots=True)
class Found:
    """A finding: of which rule, about whom, and when."""

    rule: str
    mode: Mode
    subject: Subject
    at: datetime
    step: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """A scenario and all that was found of those who are in it."""

    scenario: Scenario
    found: Sequence[Found]

    @property
    def hit(self) -> Found | None:
        """The finding that the label asks for; None: there is none."""
        abuse = self.scenario.abuse
        if abuse is None:
            return None
        for found in self.found:
            if (found.rule, found.subject) == (abuse.rule, abuse.subject):
                return found
        return None

    @property
    def right(self) -> bool:
        """Whether misuse was found within a minute from when it was one, or nobody honest was."""
        abuse = self.scenario.abuse
        if abuse is None:
            return not self.found
        return self.hit is not None and (timedelta(0) <= self.hit.at - abuse.crosses <= AT_LATEST)


@dataclass
class _At:
    at: datetime

    def now(self) -> datetime:
        return self.at


def play(
    conn: Connection, scenarios: Sequence[Scenario], *, turn: timedelta = TICK
) -> list[Outcome]:
    """Play scenarios on an empty, migrated database; return what was found in each.

    For a connection in autocommit, as the application's role.
    """
    for scenario in scenarios:
        for client in scenario.clients:
            _enrol(conn, client)
    acts = merge(*(scenario.acts for scenario in scenarios), key=lambda act: act.at)
    turns = groupby(acts, key=lambda act: _turn_of(act, turn))
    clock = _At(START)
    judge = Judge(clock)
    at, due = START, next(turns, None)
    while at <= START + LASTS + turn:
        while due is not None and due[0] <= at:
            with conn.transaction():
                _write(conn, due[1])
            due = next(turns, None)
        if at == START:
            # What was before has been judged in its time.
            conn.execute("DELETE FROM facts_touched")
        clock.at = at
        while judge.step(conn):
            pass
        at += turn
    found = list(_findings(conn))
    return [_outcome(scenario, found) for scenario in scenarios]


def _turn_of(act: Act, turn: timedelta) -> datetime:
    """Return the end of the turn that an act is in: all that was before the start is one turn."""
    return max(START, START + ((act.at - START) // turn + 1) * turn)


def _write(conn: Connection, acts: Iterable[Act]) -> None:
    sums: dict[Source, dict[tuple[Subject, datetime], Facts]] = {source: {} for source in Source}
    sighted: dict[Use, Sighted] = {}
    for act in acts:
        where = (act.subject, bucket_of(act.at))
        sums[act.source][where] = sums[act.source].get(where, NO_FACTS).plus(act.facts)
        if act.use is not None:
            hour = act.at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
            use = Use(act.use.key_id, act.use.network, hour)
            seen = Sighted(act.use.account_id, act.use.country, act.use.requests, act.at, act.at)
            sighted[use] = sighted[use].plus(seen) if use in sighted else seen
    facts_store.add(conn, Source.ADMISSION, sums[Source.ADMISSION])
    facts_store.add(conn, Source.RESULTS, sums[Source.RESULTS])
    api_facts_store.write(conn, Tally(facts=sums[Source.API], sighted=sighted))


def _enrol(conn: Connection, client: Client) -> None:
    account_id = AccountId(client.account_id)
    since = START - client.age
    accounts.insert(
        conn,
        Account(
            id=account_id,
            name=client.account_id,
            kind=AccountKind.COMPANY,
            state=AccountState.ACTIVE,
            unit="CNY",
            created_at=since,
            plan=client.plan,
            time_zone="Asia/Shanghai",
        ),
    )
    accounts.insert_api_key(conn, account_id, ApiKey(client.key_id, "secret"), since)


def _outcome(scenario: Scenario, found: Iterable[Found]) -> Outcome:
    who = {act.subject for act in scenario.acts}
    return Outcome(scenario, [finding for finding in found if finding.subject in who])


def _findings(conn: Connection) -> Iterator[Found]:
    for rule, mode, kind, subject, at, step in conn.execute(
        "SELECT rule, mode, kind, subject, found_at, step FROM abuse_findings ORDER BY found_at"
    ):
        yield Found(rule, Mode(mode), Subject(SubjectKind(kind), subject), at, step)
