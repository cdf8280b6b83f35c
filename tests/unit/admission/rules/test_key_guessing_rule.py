from __future__ import annotations

from domain.admission.facts import Facts, SubjectKind
from domain.admission.rules.key_guessing import RULE
from domain.admission.rules.rule import Known
from tests.unit.admission.rules.knowledge import found, known


def network(**counts: int) -> Known:
    return known(SubjectKind.NETWORK, "*", minutes={1: Facts(**counts)})


def test_two_invalid_keys_a_second_for_ten_minutes_are_guesses() -> None:
    assert not found(RULE, network(requests=1_199, invalid_keys=1_199))
    assert found(RULE, network(requests=1_200, invalid_keys=1_200))


def test_behind_an_address_of_many_most_keys_are_valid() -> None:
    assert not found(RULE, network(requests=4_001, invalid_keys=2_000))
    assert found(RULE, network(requests=4_000, invalid_keys=2_000))


def test_a_client_that_asks_every_second_with_a_revoked_key_is_forgotten_and_no_guesser() -> None:
    each = Facts(requests=60, invalid_keys=60)
    lasting = known(SubjectKind.NETWORK, "*", minutes=dict.fromkeys(range(1, 121), each))
    assert not found(RULE, lasting)


def test_nothing_is_found_where_nothing_happened() -> None:
    assert not found(RULE, network())
