from __future__ import annotations

import pytest

from domain.admission.facts import Facts
from domain.admission.rules.burst import RULE
from tests.unit.admission.rules.knowledge import found, judged, known


@pytest.mark.parametrize(
    ("plan", "at_least"), [("free", 500), ("standard", 25_000), ("enterprise", 250_000)]
)
def test_what_a_plan_is_for_is_no_burst_and_one_job_more_is(plan: str, at_least: int) -> None:
    assert not found(RULE, known(plan=plan, minutes={1: Facts(jobs=at_least - 1)}))
    assert found(RULE, known(plan=plan, minutes={1: Facts(jobs=at_least)}))


def test_a_plan_without_a_setting_of_its_own_is_judged_as_every_other() -> None:
    assert found(RULE, known(plan="silver", minutes={1: Facts(jobs=25_000)}))


def test_who_often_sends_much_may_send_three_times_its_busiest_hour() -> None:
    hours = {30: Facts(jobs=9_000), 300: Facts(jobs=20_000)}
    assert not found(RULE, known(minutes={1: Facts(jobs=59_999)}, hours=hours))
    match = judged(RULE, known(minutes={1: Facts(jobs=60_000)}, hours=hours))
    assert match is not None
    assert match.evidence["busiest_hour"] == 20_000
    assert match.evidence["threshold"] == 60_000


def test_jobs_before_the_window_do_not_count() -> None:
    assert not found(RULE, known(plan="free", minutes={10: Facts(jobs=499), 11: Facts(jobs=499)}))
    assert found(RULE, known(plan="free", minutes={1: Facts(jobs=251), 10: Facts(jobs=249)}))


def test_nothing_is_found_where_nothing_happened() -> None:
    assert not found(RULE, known())
