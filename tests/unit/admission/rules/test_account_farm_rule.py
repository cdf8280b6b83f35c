from __future__ import annotations

from datetime import timedelta

from domain.admission.facts import Facts, SubjectKind
from domain.admission.rules.account_farm import RULE
from domain.admission.rules.rule import Known, Neighbour
from tests.unit.admission.rules.knowledge import DAY, found, judged, known

FARMED = Neighbour("free", DAY, 50)


def network(**groups: tuple[int, Neighbour]) -> Known:
    return known(
        SubjectKind.NETWORK,
        "*",
        minutes={1: Facts(requests=10)},
        neighbours={f"{name}{n}": who for name, (many, who) in groups.items() for n in range(many)},
    )


def test_eight_used_up_young_free_accounts_in_a_network_are_a_farm() -> None:
    assert not found(RULE, network(farmed=(7, FARMED)))
    assert found(RULE, network(farmed=(8, FARMED)))


def test_a_carrier_has_some_such_accounts_among_many() -> None:
    ordinary = Neighbour("free", timedelta(days=200), 3)
    assert not found(RULE, network(farmed=(8, FARMED), ordinary=(9, ordinary)))
    assert found(RULE, network(farmed=(8, FARMED), ordinary=(8, ordinary)))


def test_paying_neighbours_neither_count_nor_hide_a_farm() -> None:
    paying = Neighbour("standard", DAY, 5_000)
    assert not found(RULE, network(paying=(40, paying)))
    match = judged(RULE, network(farmed=(8, FARMED), paying=(40, paying)))
    assert match is not None
    assert match.evidence["accounts"] == 8
    assert match.evidence["share"] == 1.0


def test_a_class_that_tries_a_few_pictures_each_is_no_farm() -> None:
    assert not found(RULE, network(pupils=(40, Neighbour("free", timedelta(0), 39))))


def test_accounts_of_two_weeks_ago_are_no_longer_young() -> None:
    assert not found(RULE, network(old=(20, Neighbour("free", timedelta(days=14), 50))))


def test_a_free_account_that_sends_the_pictures_of_others_is_found() -> None:
    assert not found(RULE, known(plan="free", minutes={1: Facts(jobs=30, shared=29)}))
    assert found(RULE, known(plan="free", minutes={1: Facts(jobs=30, shared=30)}))


def test_four_of_five_jobs_is_the_share() -> None:
    assert not found(RULE, known(plan="free", minutes={1: Facts(jobs=51, shared=40)}))
    assert found(RULE, known(plan="free", minutes={1: Facts(jobs=50, shared=40)}))


def test_pictures_shared_in_the_day_before_count() -> None:
    hours = {23: Facts(jobs=15, shared=15), 25: Facts(jobs=400)}
    assert found(RULE, known(plan="free", minutes={1: Facts(jobs=15, shared=15)}, hours=hours))


def test_a_company_with_two_paid_accounts_may_send_one_picture_to_both() -> None:
    assert not found(RULE, known(plan="standard", minutes={1: Facts(jobs=900, shared=900)}))


def test_nothing_is_found_where_nothing_happened() -> None:
    assert not found(RULE, network())
    assert not found(RULE, known(plan="free"))
