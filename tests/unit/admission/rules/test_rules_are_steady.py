"""What holds for the rules that count: whoever does more of what they look for stays found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.admission.facts import Facts, SubjectKind
from domain.admission.rules import RULES
from domain.admission.rules.rule import Rule
from tests.unit.admission.rules.knowledge import found, judged, known

# A bad act of each rule, with all that it counts as.
BAD = {
    "burst": Facts(jobs=1),
    "repeated_pictures": Facts(jobs=1, repeated=1),
    "broken_files": Facts(jobs=1, broken=1),
    "account_farm": Facts(jobs=1, shared=1),
    "scraping": Facts(requests=1, reads=1),
    "hammering": Facts(requests=1, limited=1),
    "key_guessing": Facts(requests=1, invalid_keys=1),
    "forbidden_content": Facts(content_refused=1),
}
counts = st.integers(0, 2_000)
any_facts = st.builds(
    lambda good, bad: (good, bad),
    st.builds(Facts, jobs=counts, succeeded=counts, requests=counts),
    st.integers(0, 4_000),
)
minutes = st.dictionaries(st.integers(1, 10), any_facts, max_size=10)


def times(facts: Facts, many: int) -> Facts:
    return replace(
        facts, **{name: many * getattr(facts, name) for name in Facts.__dataclass_fields__}
    )


def asked_of(rule: Rule[Any]) -> SubjectKind:
    account = SubjectKind.ACCOUNT
    return account if account in rule.kinds else SubjectKind.NETWORK


@pytest.mark.parametrize("name", BAD)
@given(did=minutes, more=st.dictionaries(st.integers(1, 10), st.integers(0, 5_000)))
def test_more_of_it_never_hides_it(
    name: str, did: dict[int, tuple[Facts, int]], more: dict[int, int]
) -> None:
    rule, bad = RULES[name], BAD[name]
    was = {ago: good.plus(times(bad, many)) for ago, (good, many) in did.items()}
    goes_on = {
        ago: was.get(ago, Facts()).plus(times(bad, more.get(ago, 0)))
        for ago in was.keys() | more.keys()
    }
    before = found(rule, known(asked_of(rule), "free", minutes=was))
    after = found(rule, known(asked_of(rule), "free", minutes=goes_on))
    assert after or not before


@pytest.mark.parametrize("name", BAD)
@given(did=minutes, order=st.permutations(range(1, 11)))
def test_which_minutes_of_the_window_it_was_does_not_matter(
    name: str, did: dict[int, tuple[Facts, int]], order: list[int]
) -> None:
    rule, bad = RULES[name], BAD[name]
    was = {ago: good.plus(times(bad, many)) for ago, (good, many) in did.items()}
    otherwise = {order[ago - 1]: facts for ago, facts in was.items()}
    assert found(rule, known(asked_of(rule), "free", minutes=was)) == found(
        rule, known(asked_of(rule), "free", minutes=otherwise)
    )


@pytest.mark.parametrize("name", BAD)
@given(did=minutes)
def test_a_finding_shows_at_most_eight_numbers(
    name: str, did: dict[int, tuple[Facts, int]]
) -> None:
    rule, bad = RULES[name], BAD[name]
    was = {ago: good.plus(times(bad, many)) for ago, (good, many) in did.items()}
    match = judged(rule, known(asked_of(rule), "free", minutes=was))
    assert match is None or 1 <= len(match.evidence) <= 8
