"""A key that seems to be in other hands.

It is used from many networks or countries at once, far more than ever before; or, after long
silence, at full speed and from a network that it was never used from.
"""

from collections.abc import Iterable
from datetime import timedelta

from domain.admission.facts import Facts, SubjectKind
from domain.admission.restrictions import Step
from domain.admission.rules.ladder import Ladder, Rung, Severity
from domain.admission.rules.rule import (
    EVERY_OTHER,
    Known,
    Match,
    Rule,
    RuleParameters,
    Setting,
    Sighting,
)
from domain.admission.rules.thresholds import Count, LongWindow, Times, Window


class StrayKeyParameters(RuleParameters):
    """How many places at once, and which silence and speed."""

    window: Window = timedelta(minutes=10)
    networks: Count
    countries: Count
    """Only those that are known: without an operator's database, none is."""
    times: Times = 3
    """How often as many as in its busiest hour of the 90 days before."""
    silence: LongWindow = timedelta(days=14)
    requests: Count
    """Full speed: requests within the window."""


def judge(known: Known, parameters: StrayKeyParameters) -> Match | None:
    """Find a key that is in too many places at once, or has woken in a strange one."""
    since = known.until - parameters.window
    now = [s for s in known.sightings if s.first_at < known.until and s.last_at >= since]
    return _scattered(now, known, parameters) or _woken(now, known, parameters)


def _scattered(
    now: Iterable[Sighting], known: Known, parameters: StrayKeyParameters
) -> Match | None:
    networks = len({seen.network for seen in now})
    countries = len({seen.country for seen in now} - {""})
    many_networks = max(float(parameters.networks), parameters.times * known.past.most_networks)
    many_countries = max(float(parameters.countries), parameters.times * known.past.most_countries)
    if networks < many_networks and countries < many_countries:
        return None
    return Match(
        parameters.window,
        known.latest(parameters.window, _requests),
        {
            "networks": networks,
            "networks_threshold": many_networks,
            "countries": countries,
            "countries_threshold": many_countries,
            "most_networks_before": known.past.most_networks,
            "most_countries_before": known.past.most_countries,
            "requests": known.within(parameters.window).requests,
        },
    )


def _woken(now: Iterable[Sighting], known: Known, parameters: StrayKeyParameters) -> Match | None:
    if known.past.last_at is None or not now:
        return None
    silence = min(seen.first_at for seen in known.sightings) - known.past.last_at
    strange = {seen.network for seen in now} - known.past.networks
    requests = known.within(parameters.window).requests
    if silence < parameters.silence or not strange or requests < parameters.requests:
        return None
    return Match(
        parameters.window,
        known.latest(parameters.window, _requests),
        {
            "requests": requests,
            "requests_threshold": parameters.requests,
            "silent_days": round(silence / timedelta(days=1), 1),
            "silent_days_threshold": parameters.silence / timedelta(days=1),
            "strange_network": min(strange),
            "networks_before": len(known.past.networks),
        },
    )


def _requests(facts: Facts) -> int:
    return facts.requests


def _setting(networks: int, countries: int, requests: int) -> Setting[StrayKeyParameters]:
    return Setting(
        StrayKeyParameters(networks=networks, countries=countries, requests=requests),
        Severity.HIGH,
        Ladder(
            (
                Rung(step=Step.FLAG),
                Rung(
                    step=Step.SLOW_DOWN,
                    after=timedelta(minutes=5),
                    expires_after=timedelta(days=1),
                ),
            )
        ),
    )


RULE = Rule(
    name="stray_key",
    says="a key is used from many places at once, or woke at full speed in a strange one",
    kinds=frozenset({SubjectKind.KEY}),
    parameters=StrayKeyParameters,
    judge=judge,
    # Full speed: half of what the plan's requests per second come to in ten minutes.
    defaults={
        "free": _setting(10, 4, 600),
        EVERY_OTHER: _setting(20, 5, 15_000),
        "enterprise": _setting(100, 10, 60_000),
    },
)
