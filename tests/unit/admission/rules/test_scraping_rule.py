from __future__ import annotations

import pytest

from domain.admission.facts import Facts
from domain.admission.rules.scraping import RULE
from tests.unit.admission.rules.knowledge import found, judged, known


@pytest.mark.parametrize(
    ("plan", "at_least"), [("free", 4_000), ("standard", 30_000), ("enterprise", 200_000)]
)
def test_it_takes_so_many_reads(plan: str, at_least: int) -> None:
    assert not found(RULE, known(plan=plan, minutes={1: Facts(reads=at_least - 1)}))
    assert found(RULE, known(plan=plan, minutes={1: Facts(reads=at_least)}))


def test_five_reads_for_each_job_of_four_weeks_are_the_jobs_own() -> None:
    hours = {600: Facts(jobs=7_000)}
    fewer = {1: Facts(jobs=1_000, reads=39_999)}
    assert not found(RULE, known(minutes=fewer, hours=hours))
    match = judged(RULE, known(minutes={1: Facts(jobs=1_000, reads=40_000)}, hours=hours))
    assert match is not None
    assert match.evidence["jobs_28_days"] == 8_000


def test_a_screen_that_asks_every_second_is_no_scraper() -> None:
    each = Facts(requests=60, reads=60)
    assert not found(RULE, known(plan="free", minutes=dict.fromkeys(range(1, 121), each)))


def test_an_export_of_all_results_is_no_scraping() -> None:
    hours = {200: Facts(jobs=100_000)}
    assert not found(RULE, known(minutes={1: Facts(reads=100_000)}, hours=hours))


def test_nothing_is_found_where_nothing_happened() -> None:
    assert not found(RULE, known())
