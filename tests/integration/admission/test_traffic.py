"""Labelled traffic through real facts and the real judge: who is found, how soon, and who never."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from domain.admission.rules import RULES
from infra.stack.isolation import own_database
from tests.traffic.parts import PARTS, scenarios
from tests.traffic.play import Outcome, play

if TYPE_CHECKING:
    from infra.stack import Stack

SEEDS = (1, 2, 3)
TURN = timedelta(seconds=30)


@pytest.fixture(scope="module")
def outcomes(stack: Stack, database_template: str) -> Iterator[list[Outcome]]:
    """An hour and more of every scenario and seed, on one database."""
    with (
        own_database(stack.settings(), database_template) as database,
        psycopg.connect(database.app_url, autocommit=True) as conn,
    ):
        yield play(conn, scenarios(SEEDS), turn=TURN)


def test_each_rule_finds_its_misuse_within_a_minute_of_its_crossing_the_definition(
    outcomes: list[Outcome],
) -> None:
    abused = {o.scenario.name: o.scenario.abuse for o in outcomes if o.scenario.abuse}
    assert {abuse.rule for abuse in abused.values()} == set(RULES)
    late = [(o.scenario, o.found) for o in outcomes if o.scenario.abuse and not o.right]
    assert [(s.name, s.abuse, found) for s, found in late] == []


def test_nobody_honest_is_found_not_even_in_shadow(outcomes: list[Outcome]) -> None:
    assert [(o.scenario.name, o.found) for o in outcomes if not o.scenario.abuse and o.found] == []


def test_who_does_harm_is_found_for_nothing_else_that_acts_on_their_jobs(
    outcomes: list[Outcome],
) -> None:
    others = {
        (o.scenario.name, found.rule)
        for o in outcomes
        if o.scenario.abuse
        for found in o.found
        if found.rule != o.scenario.abuse.rule and found.step not in ("flag", "slow_down")
    }
    assert not others


def test_a_seed_is_the_same_traffic_again_and_another_seed_is_not() -> None:
    for part in PARTS:
        assert part.play(1) == part.play(1)
        assert part.play(1) != part.play(2)
