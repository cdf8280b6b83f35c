"""Misuse that shows in the jobs that an account sends.

`grade` is how much of a rule's threshold is done within its window: see `GRADES`.
"""

from __future__ import annotations

from domain.admission.facts import Facts, Subject, SubjectKind
from tests.traffic.acts import DAY, HOUR, MINUTE, SECOND, START, Act, Client, evenings, spread
from tests.traffic.scenario import Cast, Part, Scenario, crossing, in_grades


def account(client: Client) -> Subject:
    return Subject(SubjectKind.ACCOUNT, client.account_id)


def burst(cast: Cast, grade: float, plan: str, at_least: int) -> Scenario:
    """An account of which little is known sends far more than its plan is for."""
    client = cast.client(plan)
    acts = [client.sends(at, Facts(jobs=n)) for at, n in evenings(cast.rng, 20, 40)]
    begins = cast.start + 5 * MINUTE
    for at, n in spread(cast.rng, round(grade * at_least), begins, 10 * MINUTE):
        acts.append(client.sends(at, Facts(jobs=n)))
    who = account(client)
    crosses = crossing(acts, who, lambda f: f.jobs, at_least)
    return cast.scenario(acts, rule="burst", subject=who, begins=begins, crosses=crosses)


def burst_of_a_large_client(cast: Cast, grade: float) -> Scenario:
    """One that sent 12,000 in its busiest hour sends three times that in ten minutes."""
    client = cast.client("standard")
    acts = [client.sends(START - 4 * DAY, Facts(jobs=12_000))]
    for at, n in spread(cast.rng, round(grade * 36_000), cast.start, 10 * MINUTE):
        acts.append(client.sends(at, Facts(jobs=n)))
    who = account(client)
    crosses = crossing(acts, who, lambda f: f.jobs, 36_000)
    return cast.scenario(acts, rule="burst", subject=who, crosses=crosses)


def one_picture(cast: Cast, grade: float, plan: str, at_least: int) -> Scenario:
    """The same picture under ever new names, for most of an hour; now and then another one."""
    client = cast.client(plan)
    acts = []
    for at, n in spread(cast.rng, round(grade * at_least), cast.start, 57 * MINUTE):
        others = int(cast.rng.random() < 0.02)
        acts.append(client.sends(at, Facts(jobs=n + others, repeated=n)))
    who = account(client)
    crosses = crossing(acts, who, lambda f: f.repeated, at_least)
    return cast.scenario(acts, rule="repeated_pictures", subject=who, crosses=crosses)


def bad_files(cast: Cast, grade: float, plan: str, at_least: int) -> Scenario:
    """Files made to break the decoder, some in every minute, and a few good ones."""
    client = cast.client(plan)
    acts = []
    begins = cast.start + 2 * MINUTE
    for at, n in spread(cast.rng, round(grade * at_least), begins, 40 * MINUTE):
        hostile = cast.rng.randrange(n + 1)
        facts = Facts(jobs=n + n // 4, rejected=n, broken=n - hostile, hostile=hostile)
        acts.append(client.sends(at, facts))
    who = account(client)
    crosses = crossing(acts, who, lambda f: f.broken + f.hostile, at_least)
    if crosses is not None:
        tenth_minute = begins.replace(second=0) + 9 * MINUTE
        crosses = max(crosses, tenth_minute)
    return cast.scenario(acts, rule="broken_files", subject=who, begins=begins, crosses=crosses)


def pictures_of_others(cast: Cast, grade: float) -> Scenario:
    """A free account with the pictures that another one has sent."""
    client = cast.client("free", age=DAY)
    acts = [
        client.sends(at, Facts(jobs=n, shared=n))
        for at, n in spread(cast.rng, round(grade * 30), cast.start, 40 * MINUTE)
    ]
    who = account(client)
    crosses = crossing(acts, who, lambda f: f.shared, 30)
    return cast.scenario(acts, rule="account_farm", subject=who, crosses=crosses)


def deaf_uploader(cast: Cast, grade: float, plan: str, refused: int) -> Scenario:
    """Uploads that are refused, for an hour before and on and on; the 90th minute is too much."""
    client = cast.client(plan)
    acts = []
    for minute in range(-60, 45):
        begins = START + minute * MINUTE
        for at, n in spread(cast.rng, round(grade * refused), begins, MINUTE, 20 * SECOND):
            acts.append(client.sends(at, Facts(jobs=n, rejected=n, over_limit=n)))
    who = account(client)
    last = [act for act in acts if START + 29 * MINUTE <= act.at < START + 30 * MINUTE]
    crosses = crossing(last, who, lambda f: f.over_limit, refused)
    return cast.scenario(acts, rule="hammering", subject=who, begins=START - HOUR, crosses=crosses)


def forbidden_pictures(cast: Cast, grade: float, plan: str, at_least: int) -> Scenario:
    """Half of an account's pictures are refused for what is on them; some were this morning."""
    client = cast.client(plan)
    earlier = at_least // 4
    acts: list[Act] = [
        client.gets(START - 6 * HOUR, Facts(succeeded=earlier, content_refused=earlier))
    ]
    now = round(grade * at_least) - earlier
    for at, n in spread(cast.rng, now, cast.start, 50 * MINUTE):
        acts.append(client.sends(at, Facts(jobs=2 * n)))
        acts.append(client.gets(at, Facts(succeeded=n, content_refused=n)))
    who = account(client)
    crosses = crossing(acts, who, lambda f: f.content_refused, at_least - earlier)
    return cast.scenario(acts, rule="forbidden_content", subject=who, crosses=crosses)


MISUSED_JOBS: tuple[Part, ...] = (
    *in_grades(burst, plan="free", at_least=500),
    *in_grades(burst, plan="standard", at_least=25_000),
    *in_grades(burst, plan="enterprise", at_least=250_000),
    *in_grades(burst_of_a_large_client),
    *in_grades(one_picture, plan="free", at_least=100),
    *in_grades(one_picture, plan="standard", at_least=500),
    *in_grades(bad_files, plan="free", at_least=60),
    *in_grades(bad_files, plan="enterprise", at_least=5_000),
    *in_grades(pictures_of_others),
    *in_grades(deaf_uploader, plan="free", refused=5),
    *in_grades(forbidden_pictures, plan="free", at_least=8),
    *in_grades(forbidden_pictures, plan="standard", at_least=20),
)
