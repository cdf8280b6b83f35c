from __future__ import annotations

import pytest

from domain.admission.facts import Facts
from domain.admission.rules.hammering import RULE
from tests.unit.admission.rules.knowledge import MINUTE, UNTIL, found, judged, known


def over(minutes: int, facts: Facts) -> dict[int, Facts]:
    return dict.fromkeys(range(1, minutes + 1), facts)


@pytest.mark.parametrize(
    ("plan", "limited"), [("free", 360), ("standard", 9_000), ("enterprise", 36_000)]
)
def test_it_takes_so_many_refused_requests_in_eight_of_ten_minutes(plan: str, limited: int) -> None:
    each = Facts(requests=2 * limited, limited=limited)
    assert found(RULE, known(plan=plan, minutes=over(8, each)))
    assert not found(RULE, known(plan=plan, minutes=over(7, each)))
    fewer = Facts(requests=2 * limited, limited=limited - 1)
    assert not found(RULE, known(plan=plan, minutes=over(10, fewer)))


def test_one_minute_with_many_refusals_is_a_client_that_did_not_know() -> None:
    assert not found(RULE, known(minutes={1: Facts(requests=500_000, limited=500_000)}))


@pytest.mark.parametrize(("plan", "refused"), [("free", 5), ("standard", 50), ("enterprise", 500)])
def test_uploads_that_are_refused_for_an_hour_and_a_half_are_hammering(
    plan: str, refused: int
) -> None:
    each = Facts(jobs=refused, rejected=refused, over_limit=refused)
    assert found(RULE, known(plan=plan, minutes=over(90, each)))
    assert not found(RULE, known(plan=plan, minutes=over(89, each)))


def test_a_large_batch_beyond_a_quota_is_no_hammering() -> None:
    each = Facts(jobs=1_500, rejected=1_500, over_limit=1_500)
    assert not found(RULE, known(minutes=over(60, each)))


def test_the_latest_refusal_is_told_and_not_the_latest_request() -> None:
    quiet = {1: Facts(requests=5), 2: Facts(requests=5, limited=1)}
    refused = dict.fromkeys(range(3, 11), Facts(requests=9_000, limited=9_000))
    match = judged(RULE, known(minutes=quiet | refused))
    assert match is not None
    assert match.latest == UNTIL - 3 * MINUTE


def test_nothing_is_found_where_nothing_happened() -> None:
    assert not found(RULE, known())
