from __future__ import annotations

import pytest

from domain.admission.facts import Facts
from domain.admission.rules.forbidden_content import RULE
from tests.unit.admission.rules.knowledge import found, known


@pytest.mark.parametrize(("plan", "at_least"), [("free", 8), ("standard", 20), ("enterprise", 100)])
def test_it_takes_so_many_refusals(plan: str, at_least: int) -> None:
    assert not found(RULE, known(plan=plan, minutes={1: Facts(content_refused=at_least - 1)}))
    assert found(RULE, known(plan=plan, minutes={1: Facts(content_refused=at_least)}))


def test_one_of_five_pictures_that_were_looked_at_is_the_share() -> None:
    assert found(RULE, known(minutes={1: Facts(succeeded=400, content_refused=100)}))
    assert not found(RULE, known(minutes={1: Facts(succeeded=401, content_refused=100)}))


def test_pictures_that_failed_were_not_looked_at() -> None:
    assert found(RULE, known(minutes={1: Facts(failed=9_000, content_refused=20)}))


def test_an_album_with_some_wrong_verdicts_is_no_misuse() -> None:
    assert not found(RULE, known(minutes={1: Facts(succeeded=290, content_refused=10)}))


def test_refusals_of_the_day_add_up() -> None:
    hours = {5: Facts(content_refused=10), 23: Facts(content_refused=9)}
    assert found(RULE, known(minutes={1: Facts(content_refused=1)}, hours=hours))
    late = {5: Facts(content_refused=10), 25: Facts(content_refused=9)}
    assert not found(RULE, known(minutes={1: Facts(content_refused=1)}, hours=late))


def test_nothing_is_found_where_nothing_happened() -> None:
    assert not found(RULE, known())
