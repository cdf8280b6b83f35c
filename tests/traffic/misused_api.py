"""Misuse that shows in requests to the API: by an account, its key, or a network.

`grade` is how much of a rule's threshold is done within its window: see `GRADES`.
"""

from __future__ import annotations

from domain.admission.facts import Facts, Source, Subject, SubjectKind
from tests.traffic.acts import (
    DAY,
    HOUR,
    LASTS,
    MINUTE,
    SECOND,
    START,
    Act,
    Client,
    evenings,
    spread,
)
from tests.traffic.misused_jobs import account
from tests.traffic.scenario import Cast, Part, Scenario, crossing, in_grades


def key_in_many_networks(cast: Cast, grade: float, plan: str, networks: int) -> Scenario:
    """A key that was published: one machine after the other begins to use it."""
    client = cast.client(plan)
    acts = _yesterday(cast, client)
    many = round(grade * networks)
    joined = [cast.start + n * 8 * MINUTE / many for n in range(many)]
    for since in joined:
        network = cast.network()
        for at, n in spread(cast.rng, 240, since, 20 * MINUTE, 20 * SECOND):
            acts.extend(client.asks(at, Facts(requests=n), network=network))
    crosses = joined[networks - 1] if many >= networks else None
    return cast.scenario(acts, rule="stray_key", subject=_key(client), crosses=crosses)


def key_in_many_countries(cast: Cast, grade: float) -> Scenario:
    """The same with an operator's database of countries: five are too many."""
    client = cast.client("standard")
    acts = _yesterday(cast, client)
    many = round(grade * 5)
    joined = [cast.start + n * 8 * MINUTE / many for n in range(many)]
    for number, since in enumerate(joined):
        network = cast.network()
        for at, n in spread(cast.rng, 180, since, 15 * MINUTE, 20 * SECOND):
            acts.extend(client.asks(at, Facts(requests=n), network=network, country=f"X{number}"))
    crosses = joined[4] if many >= 5 else None
    return cast.scenario(acts, rule="stray_key", subject=_key(client), crosses=crosses)


def woken_key(cast: Cast, grade: float, plan: str, requests: int) -> Scenario:
    """A key that was silent for three weeks is used at full speed from a strange network."""
    client = cast.client(plan)
    acts = [*client.asks(START - 21 * DAY, Facts(requests=40))]
    strange = cast.network()
    for at, n in spread(cast.rng, round(grade * requests), cast.start, 10 * MINUTE):
        acts.extend(client.asks(at, Facts(requests=n), network=strange))
    who = _key(client)
    crosses = crossing(acts, who, lambda f: f.requests, requests)
    return cast.scenario(acts, rule="stray_key", subject=who, crosses=crosses)


def farm(cast: Cast, grade: float) -> Scenario:
    """One person's new accounts in one network, each used until its day is used up."""
    network = cast.network()
    acts: list[Act] = []
    fortieth = []
    accounts = round(grade * 8)
    for _ in range(accounts):
        client = cast.client("free", network=network, age=cast.rng.uniform(0.01, 3) * DAY)
        own: list[Act] = []
        begins = cast.start + cast.rng.randrange(20) * MINUTE
        for at, n in spread(cast.rng, 50, begins, 25 * MINUTE):
            own.append(client.sends(at, Facts(jobs=n)))
            own.extend(client.asks(at, Facts(requests=3 * n, reads=n)))
        fortieth.append(crossing(own, account(client), lambda f: f.jobs, 40))
        acts.extend(own)
    # Eight accounts, and half of all that have been there by then: those come before.
    enough = sorted(at for at in fortieth if at is not None)[7:]
    half = sorted(at for at in fortieth if at is not None)[-(-accounts // 2) - 1 :]
    crosses = max(enough[0], half[0]) if enough else None
    network_itself = Subject(SubjectKind.NETWORK, network)
    return cast.scenario(acts, rule="account_farm", subject=network_itself, crosses=crosses)


def scraper(cast: Cast, grade: float, plan: str, at_least: int) -> Scenario:
    """An account with few jobs reads lists and results on and on."""
    client = cast.client(plan)
    acts = [client.sends(at, Facts(jobs=n)) for at, n in evenings(cast.rng, 10, at_least // 200)]
    for at, n in spread(cast.rng, round(grade * at_least), cast.start, 57 * MINUTE):
        acts.extend(client.asks(at, Facts(requests=n, reads=n)))
    who = account(client)
    crosses = crossing(acts, who, lambda f: f.reads, at_least)
    return cast.scenario(acts, rule="scraping", subject=who, crosses=crosses)


def hammer(cast: Cast, grade: float, plan: str, limited: int) -> Scenario:
    """A client that asks again at once whenever it is told to wait; the eighth minute is enough."""
    client = cast.client(plan)
    acts: list[Act] = []
    for minute in range(3, 18):
        at_once = START + minute * MINUTE
        for at, n in spread(cast.rng, round(grade * limited), at_once, MINUTE):
            acts.extend(client.asks(at, Facts(requests=n + n // 3, limited=n)))
    who = account(client)
    eighth = [act for act in acts if START + 10 * MINUTE <= act.at < START + 11 * MINUTE]
    crosses = crossing(eighth, who, lambda f: f.limited, limited)
    return cast.scenario(
        acts, rule="hammering", subject=who, begins=START + 3 * MINUTE, crosses=crosses
    )


def guesser(cast: Cast, grade: float) -> Scenario:
    """Keys are tried from a network in which some honest client is, too."""
    client = cast.client("standard")
    network = Subject(SubjectKind.NETWORK, client.network)
    acts: list[Act] = []
    for at, n in spread(cast.rng, 120, START, LASTS, MINUTE):
        acts.extend(client.asks(at, Facts(requests=n)))
    begins = cast.start + 7 * MINUTE
    for at, n in spread(cast.rng, round(grade * 1_200), begins, 10 * MINUTE):
        acts.append(Act(at, Source.API, network, Facts(requests=n, invalid_keys=n)))
    crosses = crossing(acts, network, lambda f: f.invalid_keys, 1_200)
    return cast.scenario(acts, rule="key_guessing", subject=network, begins=begins, crosses=crosses)


def _key(client: Client) -> Subject:
    return Subject(SubjectKind.KEY, client.key_id)


def _yesterday(cast: Cast, client: Client) -> list[Act]:
    return [
        act
        for hours in (20, 26, 44)
        for act in client.asks(START - hours * HOUR, Facts(requests=cast.rng.randrange(10, 90)))
    ]


MISUSED_API: tuple[Part, ...] = (
    *in_grades(key_in_many_networks, plan="free", networks=10),
    *in_grades(key_in_many_networks, plan="standard", networks=20),
    *in_grades(key_in_many_countries),
    *in_grades(woken_key, plan="standard", requests=15_000),
    *in_grades(farm),
    *in_grades(scraper, plan="free", at_least=4_000),
    *in_grades(scraper, plan="standard", at_least=30_000),
    *in_grades(hammer, plan="free", limited=360),
    *in_grades(hammer, plan="enterprise", limited=36_000),
    *in_grades(guesser),
)
