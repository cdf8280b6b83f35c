from __future__ import annotations

import pytest

from domain.admission.facts import Facts
from domain.admission.rules.broken_files import RULE
from tests.unit.admission.rules.knowledge import found, judged, known


def over(minutes: int, facts: Facts) -> dict[int, Facts]:
    return dict.fromkeys(range(1, minutes + 1), facts)


@pytest.mark.parametrize(
    ("plan", "at_least"), [("free", 60), ("standard", 500), ("enterprise", 5_000)]
)
def test_it_takes_so_many_bad_files(plan: str, at_least: int) -> None:
    each = at_least // 10
    enough = over(10, Facts(jobs=each, broken=each))
    assert found(RULE, known(plan=plan, minutes=enough))
    below = enough | {1: Facts(jobs=each, broken=each - 1)}
    assert not found(RULE, known(plan=plan, minutes=below))


def test_half_of_all_files_is_the_share() -> None:
    assert found(RULE, known(minutes=over(10, Facts(jobs=200, broken=100))))
    assert not found(RULE, known(minutes=over(10, Facts(jobs=202, broken=100))))


def test_a_folder_of_other_files_uploaded_in_nine_minutes_is_a_mistake() -> None:
    assert not found(RULE, known(minutes=over(9, Facts(jobs=900, hostile=900))))
    assert found(RULE, known(minutes=over(10, Facts(jobs=900, hostile=900))))


def test_one_broken_file_in_twenty_is_found_at_no_size() -> None:
    assert not found(RULE, known(minutes=over(60, Facts(jobs=20_000, broken=1_000))))


def test_broken_and_hostile_files_count_together_and_are_told_apart() -> None:
    match = judged(RULE, known(minutes=over(10, Facts(jobs=50, broken=30, hostile=20))))
    assert match is not None
    assert match.evidence["broken"] == 300
    assert match.evidence["hostile"] == 200


def test_nothing_is_found_where_nothing_happened() -> None:
    assert not found(RULE, known())
