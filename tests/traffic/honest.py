"""Honest clients, among them those that rules are most easily wrong about."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from domain.admission.facts import Facts, Source, Subject, SubjectKind
from tests.traffic.acts import (
    DAY,
    HOUR,
    LASTS,
    MINUTE,
    START,
    Act,
    Client,
    evenings,
    spread,
)
from tests.traffic.scenario import Cast, Part, Scenario


def bulk_of_100_000(cast: Cast) -> Scenario:
    """An enterprise account uploads 100,000 pictures in an hour and never did so before."""
    client = cast.client("enterprise")
    return cast.scenario([*_daily(cast, client, 20, 60), *_batch(cast, client, 100_000, HOUR)])


def first_bulk_in_ten_minutes(cast: Cast) -> Scenario:
    """The same by an account of yesterday, as fast as the object store takes it."""
    client = cast.client("enterprise", age=DAY)
    return cast.scenario(_batch(cast, client, 100_000, 10 * MINUTE))


def whole_day_at_once(cast: Cast) -> Scenario:
    """A standard account that sends a few a day uploads all that a day allows in ten minutes."""
    client = cast.client("standard")
    return cast.scenario(
        [*_daily(cast, client, 20, 30), *_batch(cast, client, 20_000, 10 * MINUTE)]
    )


def evening_burst(cast: Cast) -> Scenario:
    """A person restores some 300 family photos after dinner, and each with three presets."""
    client = cast.client("standard")
    acts = [*_daily(cast, client, 6, 5)]
    photos = cast.rng.randrange(200, 400)
    for at, n in spread(cast.rng, 3 * photos, cast.start + 5 * MINUTE, 25 * MINUTE):
        acts.append(client.sends(at, Facts(jobs=n, pixels=n * 12_000_000, repeated=2 * n // 3)))
        acts.append(client.gets(at + 4 * MINUTE, Facts(succeeded=n)))
        acts.extend(client.asks(at, Facts(requests=4 * n, reads=n)))
    return cast.scenario(acts)


def evening_burst_on_free(cast: Cast) -> Scenario:
    """The same on the free plan, which is for 50 a day: all others are refused."""
    client = cast.client("free", age=cast.rng.randrange(1, 60) * DAY)
    acts = []
    done = 0
    photos = cast.rng.randrange(200, 400)
    for at, n in spread(cast.rng, photos, cast.start + 5 * MINUTE, 4 * MINUTE):
        refused = max(0, min(n, done + n - 50))
        done += n
        acts.append(client.sends(at, Facts(jobs=n, rejected=refused, over_limit=refused)))
    return cast.scenario(acts)


def album_with_wrong_verdicts(cast: Cast) -> Scenario:
    """300 pictures of a summer at the sea, of which the content check misreads a few."""
    client = cast.client("standard")
    acts = []
    for at, n in spread(cast.rng, 300, cast.start, 20 * MINUTE):
        wrong = sum(cast.rng.random() < 0.05 for _ in range(n))
        acts.append(client.sends(at, Facts(jobs=n)))
        acts.append(client.gets(at + MINUTE, Facts(succeeded=n - wrong, content_refused=wrong)))
    return cast.scenario(acts)


def steady_app(cast: Cast) -> Scenario:
    """An application with 60 jobs a minute, day and night, from a server and a laptop."""
    client = cast.client("standard")
    laptop = cast.network()
    acts = [
        act
        for at in (START - hours * HOUR for hours in range(27 * 24, 2, -1))
        for act in (client.sends(at, Facts(jobs=3_600)),)
    ]
    for at, n in spread(cast.rng, 3_700, cast.start, LASTS):
        acts.append(client.sends(at, Facts(jobs=n)))
        acts.append(client.gets(at, Facts(succeeded=n)))
        acts.extend(client.asks(at, Facts(requests=6 * n, reads=n)))
    for at, n in spread(cast.rng, 300, cast.start, LASTS, MINUTE):
        acts.extend(client.asks(at, Facts(requests=n, reads=n), network=laptop, country="DE"))
    return cast.scenario(acts)


def polling_app(cast: Cast) -> Scenario:
    """A free application looks at each of three waiting jobs every two seconds, for an hour."""
    client = cast.client("free")
    acts = [*_batch(cast, client, 40, 50 * MINUTE)]
    for at, n in spread(cast.rng, 5_400, cast.start, HOUR):
        acts.extend(client.asks(at, Facts(requests=n)))
    for at, n in spread(cast.rng, 40, cast.start + MINUTE, 50 * MINUTE):
        acts.extend(client.asks(at, Facts(requests=n, reads=n)))
    return cast.scenario(acts)


def busy_polling_app(cast: Cast) -> Scenario:
    """A standard one with a hundred jobs at a time, which is at its rate limit and backs off."""
    client = cast.client("standard")
    acts = [*_daily(cast, client, 20, 4_000), *_batch(cast, client, 12_000, HOUR)]
    for at, n in spread(cast.rng, 180_000, cast.start, HOUR):
        acts.extend(client.asks(at, Facts(requests=n, limited=n // 10, reads=n // 15)))
    return cast.scenario(acts)


def impatient_polling_app(cast: Cast) -> Scenario:
    """A free application looks at ten waiting jobs every two seconds: more than it may."""
    client = cast.client("free")
    acts = [*_batch(cast, client, 20, 20 * MINUTE)]
    for at, n in spread(cast.rng, 18_000, cast.start, HOUR):
        acts.extend(client.asks(at, Facts(requests=n, limited=3 * n // 5)))
    return cast.scenario(acts)


def screen_on_a_wall(cast: Cast) -> Scenario:
    """A free account with few jobs shows its list on a screen, anew every second."""
    client = cast.client("free")
    acts = [*_daily(cast, client, 10, 4)]
    for at, n in spread(cast.rng, 3_600, cast.start, HOUR):
        acts.extend(client.asks(at, Facts(requests=n, reads=n)))
    return cast.scenario(acts)


def export_of_all_results(cast: Cast) -> Scenario:
    """An enterprise account reads every one of a month's 300,000 results within an hour."""
    client = cast.client("enterprise")
    acts = [*_daily(cast, client, 25, 12_000)]
    for at, n in spread(cast.rng, 300_000, cast.start, HOUR):
        acts.extend(client.asks(at, Facts(requests=n, reads=n)))
    return cast.scenario(acts)


def carrier_nat(cast: Cast) -> Scenario:
    """A mobile application's users, each with an account, share one /24 of a carrier.

    Some of them are new and use all that is free; some have keys that were revoked.
    """
    network = cast.network()
    acts: list[Act] = []
    for number in range(cast.rng.randrange(60, 180)):
        keen = number < 5
        age = cast.rng.uniform(0.1, 10) if keen else cast.rng.uniform(0.1, 400)
        client = cast.client("free", network=network, age=age * DAY)
        jobs = 50 if keen else cast.rng.randrange(1, 12)
        acts.extend(_at_home(cast, client, jobs, LASTS))
    for at, n in spread(cast.rng, 900, cast.start, HOUR):
        acts.append(_stranger(network, at, n))
    return cast.scenario(acts)


def classroom(cast: Cast) -> Scenario:
    """A class makes accounts in one lesson, from one network, and tries some pictures each.

    Among the pictures is the one of the lesson.
    """
    network = cast.network()
    acts: list[Act] = []
    for _ in range(cast.rng.randrange(25, 45)):
        client = cast.client("free", network=network, age=timedelta(minutes=5))
        acts.extend(_at_home(cast, client, cast.rng.randrange(3, 20), 40 * MINUTE))
        acts.append(client.sends(cast.start + 2 * MINUTE, Facts(jobs=1, shared=1)))
    return cast.scenario(acts)


def messy_batch(cast: Cast) -> Scenario:
    """20,000 scans of which three to ten in a hundred are broken, for three quarters of an hour."""
    client = cast.client("standard")
    acts = []
    share = cast.rng.uniform(0.03, 0.1)
    for at, n in spread(cast.rng, 20_000, cast.start, 45 * MINUTE):
        broken = sum(cast.rng.random() < share for _ in range(n))
        acts.append(client.sends(at, Facts(jobs=n, rejected=broken, broken=broken)))
    return cast.scenario(acts)


def folder_of_other_files(cast: Cast) -> Scenario:
    """A free account drops 400 files of a format that picmend does not read, by mistake."""
    client = cast.client("free", age=DAY)
    return cast.scenario(
        client.sends(at, Facts(jobs=n, rejected=n, hostile=n))
        for at, n in spread(cast.rng, 400, cast.start + 7 * MINUTE, 6 * MINUTE)
    )


def failed_batch_again(cast: Cast) -> Scenario:
    """A batch of 5,000 failed in the morning and is sent again, under other names."""
    client = cast.client("standard")
    acts = [*_daily(cast, client, 10, 200)]
    for at, n in spread(cast.rng, 5_000, cast.start - 9 * HOUR, HOUR, MINUTE):
        acts.append(client.sends(at, Facts(jobs=n)))
        acts.append(client.gets(at, Facts(failed=n)))
    for at, n in spread(cast.rng, 5_000, cast.start + 3 * MINUTE, 30 * MINUTE):
        acts.append(client.sends(at, Facts(jobs=n, repeated=n)))
    return cast.scenario(acts)


def batch_beyond_its_quota(cast: Cast) -> Scenario:
    """A standard account uploads 100,000 in an hour, of which its plan lets in 20,000."""
    client = cast.client("standard")
    acts = []
    done = 0
    for at, n in spread(cast.rng, 100_000, cast.start, HOUR):
        refused = max(0, min(n, done + n - 20_000))
        done += n
        acts.append(client.sends(at, Facts(jobs=n, rejected=refused, over_limit=refused)))
    return cast.scenario(acts)


def monthly_batch(cast: Cast) -> Scenario:
    """A key that was silent for three weeks works at full speed, from where it always does."""
    client = cast.client("standard")
    acts: list[Act] = []
    for ago in (51, 21):
        acts.extend(client.asks(START - ago * DAY, Facts(requests=20_000)))
        acts.append(client.sends(START - ago * DAY, Facts(jobs=9_000)))
    for at, n in spread(cast.rng, 20_000, cast.start, 10 * MINUTE):
        acts.extend(client.asks(at, Facts(requests=n)))
        acts.append(client.sends(at, Facts(jobs=n // 2)))
    return cast.scenario(acts)


def growing_fleet(cast: Cast) -> Scenario:
    """A standard account's key on 15 machines in as many networks; today it is 30."""
    client = cast.client("standard")
    fleet = [cast.network() for _ in range(30)]
    acts: list[Act] = []
    for ago in (7, 3, 1):
        for network in fleet[:15]:
            acts.extend(client.asks(START - ago * DAY, Facts(requests=50), network=network))
    for network in fleet:
        for at, n in spread(cast.rng, 120, cast.start, HOUR, MINUTE):
            acts.extend(client.asks(at, Facts(requests=n), network=network))
    return cast.scenario(acts)


def forgotten_client(cast: Cast) -> Scenario:
    """Somewhere runs a client with a revoked key, and asks every second."""
    network = cast.network()
    return cast.scenario(
        _stranger(network, at, n) for at, n in spread(cast.rng, 3_600, cast.start, HOUR)
    )


def client_that_backs_off(cast: Cast) -> Scenario:
    """A free client asks in spurts, is refused, and waits as it was told to."""
    client = cast.client("free")
    acts: list[Act] = []
    for minute in range(60):
        at = START + minute * MINUTE
        limited = cast.rng.randrange(0, 90)
        acts.extend(client.asks(at, Facts(requests=100 + limited, limited=limited)))
    return cast.scenario(acts)


def _daily(cast: Cast, client: Client, days: int, jobs: int) -> Iterator[Act]:
    for at, n in evenings(cast.rng, days, jobs):
        yield client.sends(at, Facts(jobs=n))
        yield client.gets(at, Facts(succeeded=n))


def _batch(cast: Cast, client: Client, jobs: int, lasts: timedelta) -> Iterator[Act]:
    for at, n in spread(cast.rng, jobs, cast.start, lasts):
        yield client.sends(at, Facts(jobs=n, pixels=n * 8_000_000))


def _at_home(cast: Cast, client: Client, jobs: int, lasts: timedelta) -> Iterator[Act]:
    """Yield what a person does with a few pictures: sends them and looks at what comes."""
    for at, n in spread(cast.rng, jobs, cast.start, lasts, 5 * MINUTE):
        yield client.sends(at, Facts(jobs=n))
        yield from client.asks(at, Facts(requests=12 * n, reads=2 * n))


def _stranger(network: str, at: datetime, n: int) -> Act:
    return Act(
        at,
        Source.API,
        Subject(SubjectKind.NETWORK, network),
        Facts(requests=n, invalid_keys=n),
    )


HONEST: tuple[Part, ...] = tuple(
    Part(make.__name__, make, misuse=False)
    for make in (
        bulk_of_100_000,
        first_bulk_in_ten_minutes,
        whole_day_at_once,
        evening_burst,
        evening_burst_on_free,
        album_with_wrong_verdicts,
        steady_app,
        polling_app,
        busy_polling_app,
        impatient_polling_app,
        screen_on_a_wall,
        export_of_all_results,
        carrier_nat,
        classroom,
        messy_batch,
        folder_of_other_files,
        failed_batch_again,
        batch_beyond_its_quota,
        monthly_batch,
        growing_fleet,
        forgotten_client,
        client_that_backs_off,
    )
)
