from __future__ import annotations

from datetime import timedelta

import pytest

from domain.admission.facts import Facts, SubjectKind
from domain.admission.rules.rule import NEVER_USED, Known, Past, Sighting
from domain.admission.rules.stray_key import RULE
from tests.unit.admission.rules.knowledge import (
    DAY,
    MINUTE,
    UNTIL,
    found,
    judged,
    known,
    sighting,
)

FULL_SPEED = 15_000


def key(
    *sightings: Sighting, past: Past = NEVER_USED, requests: int = 100, plan: str = "standard"
) -> Known:
    return known(
        SubjectKind.KEY,
        plan,
        minutes={1: Facts(requests=requests)},
        sightings=sightings,
        past=past,
    )


def places(networks: int, countries: int = 1, *, ago: timedelta = MINUTE) -> list[Sighting]:
    return [sighting(f"10.0.{n}.0/24", f"C{n % countries}", ago=ago) for n in range(networks)]


@pytest.mark.parametrize(("plan", "many"), [("free", 10), ("standard", 20), ("enterprise", 100)])
def test_it_takes_so_many_networks_at_once(plan: str, many: int) -> None:
    assert not found(RULE, key(*places(many - 1), plan=plan))
    assert found(RULE, key(*places(many), plan=plan))


def test_five_countries_at_once_are_too_many_and_four_are_not() -> None:
    assert not found(RULE, key(*places(10, 4)))
    assert found(RULE, key(*places(10, 5)))


def test_countries_that_nobody_knows_are_none() -> None:
    unknown = [sighting(f"10.0.{n}.0/24") for n in range(19)]
    assert not found(RULE, key(*unknown))


def test_a_laptop_and_a_server_are_two_networks() -> None:
    assert not found(RULE, key(sighting("192.0.2.0/24", "CN"), sighting("2001:db8:1::/48", "DE")))


def test_networks_of_an_hour_ago_are_not_at_once() -> None:
    assert not found(RULE, key(*places(30, ago=timedelta(minutes=40)), *places(2)))


def test_a_fleet_may_grow_to_three_times_its_busiest_hour() -> None:
    fleet = Past(UNTIL - DAY, frozenset(), most_networks=40)
    assert not found(RULE, key(*places(119), past=fleet))
    assert found(RULE, key(*places(120), past=fleet))


def woken(
    silence: timedelta = timedelta(days=14),
    network: str = "198.51.100.0/24",
    requests: int = FULL_SPEED,
) -> Known:
    first = sighting(network)
    past = Past(first.first_at - silence, frozenset({"192.0.2.0/24"}), most_networks=1)
    return key(first, past=past, requests=requests)


def test_a_key_that_wakes_at_full_speed_in_a_strange_network_is_found() -> None:
    match = judged(RULE, woken())
    assert match is not None
    assert match.evidence["strange_network"] == "198.51.100.0/24"
    assert match.evidence["silent_days"] == 14.0


@pytest.mark.parametrize(
    "honest",
    [
        woken(silence=timedelta(days=14) - MINUTE),
        woken(network="192.0.2.0/24"),
        woken(requests=FULL_SPEED - 1),
    ],
    ids=["after less silence", "a monthly batch from where it always comes", "slowly"],
)
def test_a_key_that_wakes_otherwise_is_not(honest: Known) -> None:
    assert not found(RULE, honest)


def test_a_new_key_at_full_speed_was_never_silent() -> None:
    assert not found(RULE, key(sighting("198.51.100.0/24"), requests=100_000))


def test_nothing_is_found_where_nothing_happened() -> None:
    assert not found(RULE, known(SubjectKind.KEY))
