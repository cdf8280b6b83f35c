from datetime import UTC, datetime, timedelta

from domain.admission.api_facts import Answer, Seen, Sighted, Tally, Use
from domain.admission.facts import Facts, Subject, SubjectKind

AT = datetime(2026, 3, 1, 12, 59, 30, tzinfo=UTC)
MINUTE = AT.replace(second=0)
HOUR = AT.replace(minute=0, second=0)
NETWORK = Subject(SubjectKind.NETWORK, "192.0.2.0/24")


def seen(answer: Answer = Answer.DONE, *, at: datetime = AT, who: int = 1) -> Seen:
    return Seen(at, answer, NETWORK.id, "NL", f"acc_{who}", f"k{who}")


def test_a_request_counts_for_its_account_its_key_and_its_network() -> None:
    tally = Tally()
    tally.count(seen(Answer.READ))
    tally.count(seen(Answer.LIMITED))

    both = Facts(requests=2, reads=1, limited=1)
    assert tally.facts == {
        (Subject(SubjectKind.ACCOUNT, "acc_1"), MINUTE): both,
        (Subject(SubjectKind.KEY, "k1"), MINUTE): both,
        (NETWORK, MINUTE): both,
    }
    assert tally.sighted == {Use("k1", NETWORK.id, HOUR): Sighted("acc_1", "NL", 2, AT, AT)}


def test_a_stranger_counts_for_the_network_alone() -> None:
    tally = Tally()
    tally.count(Seen(AT, Answer.INVALID_KEY, NETWORK.id))

    assert tally.facts == {(NETWORK, MINUTE): Facts(requests=1, invalid_keys=1)}
    assert not tally.sighted


def test_minutes_and_hours_are_told_apart() -> None:
    tally = Tally()
    later = AT + timedelta(seconds=31)
    tally.count(seen(at=AT))
    tally.count(seen(at=later))

    assert {minute for _, minute in tally.facts} == {MINUTE, MINUTE + timedelta(minutes=1)}
    assert {use.hour for use in tally.sighted} == {HOUR, HOUR + timedelta(hours=1)}


def test_two_tallies_make_the_one_that_saw_all() -> None:
    answers = [*Answer, *Answer]
    whole, first, second = Tally(), Tally(), Tally()
    for place, answer in enumerate(answers):
        one = seen(answer, at=AT + timedelta(seconds=10 * place), who=place % 2)
        whole.count(one)
        (first if place % 3 else second).count(one)
    second.add(first)

    assert (second.facts, second.sighted) == (whole.facts, whole.sighted)


def test_it_never_grows_beyond_its_cap_and_tells_what_it_dropped() -> None:
    tally = Tally(most=7)
    for who in range(100):
        tally.count(seen(who=who))
    assert len(tally.facts) == len(tally.sighted) == 7
    assert tally.facts[NETWORK, MINUTE].requests == 100
    assert tally.dropped == (201 - 7) + (100 - 7)

    other = Tally(most=7)
    other.count(seen(who=200))
    tally.add(other)
    assert len(tally.facts) == len(tally.sighted) == 7
    assert tally.facts[NETWORK, MINUTE].requests == 101
