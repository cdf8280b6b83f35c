from __future__ import annotations

import pytest

from domain.admission.facts import Facts
from domain.admission.rules.repeated_pictures import RULE
from tests.unit.admission.rules.knowledge import found, judged, known


@pytest.mark.parametrize(
    ("plan", "at_least"), [("free", 100), ("standard", 500), ("enterprise", 5_000)]
)
def test_it_takes_so_many_repetitions(plan: str, at_least: int) -> None:
    below = Facts(jobs=at_least, repeated=at_least - 1)
    assert not found(RULE, known(plan=plan, minutes={1: below}))
    enough = Facts(jobs=at_least + 1, repeated=at_least)
    assert found(RULE, known(plan=plan, minutes={1: enough}))


def test_eight_presets_of_each_picture_are_no_repetition() -> None:
    assert not found(RULE, known(minutes={1: Facts(jobs=8_000, repeated=7_000)}))


def test_nine_of_ten_jobs_is_the_share() -> None:
    assert not found(RULE, known(minutes={1: Facts(jobs=1_000, repeated=899)}))
    assert found(RULE, known(minutes={1: Facts(jobs=1_000, repeated=900)}))


def test_a_batch_that_failed_may_be_sent_again_and_not_for_ever() -> None:
    hours = {4: Facts(jobs=5_000, failed=5_000)}
    assert not found(RULE, known(minutes={1: Facts(jobs=5_000, repeated=5_000)}, hours=hours))
    for_ever = known(minutes={1: Facts(jobs=60_000, repeated=60_000)}, hours=hours)
    match = judged(RULE, for_ever)
    assert match is not None
    assert match.evidence["excused"] == 5_000
    assert match.evidence["repeated"] == 55_000


def test_a_batch_that_was_refused_this_morning_may_be_sent_again() -> None:
    again = Facts(jobs=5_000, repeated=5_000)
    assert not found(RULE, known(minutes={1: again, 61: Facts(jobs=5_000, rejected=5_000)}))


def test_repetitions_are_not_excused_by_their_own_refusals() -> None:
    assert found(RULE, known(plan="free", minutes={1: Facts(jobs=300, repeated=299, rejected=250)}))


def test_a_picture_sent_every_minute_to_see_that_all_is_well_is_no_misuse() -> None:
    one = Facts(jobs=1, repeated=1)
    assert not found(RULE, known(plan="free", minutes=dict.fromkeys(range(1, 121), one)))


def test_nothing_is_found_where_nothing_happened() -> None:
    assert not found(RULE, known())
