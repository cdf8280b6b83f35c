from __future__ import annotations

from domain.admission.facts import Facts, SubjectKind
from domain.admission.rules.key_guessing import RULE
from domain.admission.rules.rule import Known
from tests.unit.admission.rules.knowledge import found, known


def network(**counts: int) -> Known:
    return known(SubjectKind.NETWORK, "*", minutes={1: Facts(**counts)})


def test_sixty_invalid_keys_in_ten_minutes_are_guesses() -> None:
    assert not found(RULE, network(requests=59, invalid_keys=59))
    assert found(RULE, network(requests=60, invalid_keys=60))


def test_behind_an_address_of_many_most_keys_are_valid() -> None:
    assert not found(RULE, network(requests=201, invalid_keys=100))
    assert found(RULE, network(requests=200, invalid_keys=100))


def test_a_client_with_a_revoked_key_is_one_key_a_minute() -> None:
    each = Facts(requests=60, invalid_keys=1)
    lasting = known(SubjectKind.NETWORK, "*", minutes=dict.fromkeys(range(1, 121), each))
    assert not found(RULE, lasting)


def test_nothing_is_found_where_nothing_happened() -> None:
    assert not found(RULE, network())
