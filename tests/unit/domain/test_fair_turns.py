"""Weighted round robin: shares by weight, nobody starves, no cap is passed, no place stays empty.

Lines, caps and weights are made up, and served as the dispatcher serves them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.jobs.turns import EVEN, UNLIMITED, Contender, Turns, enter, plan, served

NAMES = st.sampled_from("abcdef")
WEIGHTS = st.integers(1, 160)
CLOSE = Fraction(1, 10**6)
"""Strides are rounded to integers."""


@dataclass
class Queue:
    """Lines of jobs, and whoever is served from them."""

    weights: dict[str, int]
    caps: dict[str, int] = field(default_factory=dict)
    lines: Counter[str] = field(default_factory=Counter)
    flying: Counter[str] = field(default_factory=Counter)
    turns: Turns = EVEN

    def able(self) -> dict[str, Contender]:
        places = {
            name: self.caps.get(name, UNLIMITED) - self.flying[name]
            for name, jobs in self.lines.items()
            if jobs > 0
        }
        return {
            name: Contender(self.weights[name], left) for name, left in places.items() if left > 0
        }

    def serve(self, places: int) -> list[str]:
        """Fill places, with a further round wherever a line runs out; return who was served."""
        able = self.able()
        self.turns = enter(self.turns, able)
        done: list[str] = []
        while len(done) < places and able:
            order = plan(self.turns, able, places - len(done))
            if not order:
                break
            taken = [n for at, n in enumerate(order) if order[:at].count(n) < self.lines[n]]
            self.turns = served(self.turns, able, taken)
            self.lines.subtract(taken)
            self.flying.update(taken)
            done += taken
            able = self.able()
        return done

    def finish(self, count: int) -> None:
        for name in sorted(self.flying.elements())[:count]:
            self.flying[name] -= 1


@st.composite
def queues(draw: st.DrawFn) -> Queue:
    names = draw(st.sets(NAMES, min_size=2))
    return Queue({name: draw(WEIGHTS) for name in sorted(names)})


TURN = st.tuples(st.dictionaries(NAMES, st.integers(0, 9), max_size=4), st.integers(0, 12))
"""What comes to the lines of others, and how many places there are then."""


@given(queues(), st.lists(TURN, max_size=12), st.lists(TURN, min_size=1, max_size=12))
@settings(max_examples=150)
def test_while_two_accounts_wait_their_shares_by_weight_differ_by_no_more_than_a_job_each(
    queue: Queue, before: list[tuple[dict[str, int], int]], during: list[tuple[dict[str, int], int]]
) -> None:
    a, b = sorted(queue.weights)[:2]
    for come, places in before:
        queue.lines.update({name: jobs for name, jobs in come.items() if name in queue.weights})
        queue.serve(places)
    queue.lines.update({a: 1000, b: 1000})
    count: Counter[str] = Counter()
    for come, places in during:
        queue.lines.update({name: jobs for name, jobs in come.items() if name in queue.weights})
        count.update(queue.serve(places))
        share_a, share_b = (Fraction(count[name], queue.weights[name]) for name in (a, b))
        bound = Fraction(1, queue.weights[a]) + Fraction(1, queue.weights[b])
        assert abs(share_a - share_b) <= bound + CLOSE


@given(queues(), st.lists(TURN, min_size=1, max_size=20), st.dictionaries(NAMES, st.integers(1, 5)))
def test_no_cap_is_passed_and_no_place_stays_empty_while_someone_may_have_it(
    queue: Queue, turns: list[tuple[dict[str, int], int]], caps: dict[str, int]
) -> None:
    queue.caps = caps
    for come, places in turns:
        queue.lines.update({name: jobs for name, jobs in come.items() if name in queue.weights})
        done = queue.serve(places)
        assert len(done) == places or not queue.able()
        assert all(queue.flying[name] <= cap for name, cap in caps.items())
        queue.finish(places // 2)


@given(queues(), st.integers(0, 200))
def test_whoever_waits_is_served_within_the_turns_that_the_weights_of_the_others_give_them(
    queue: Queue, ahead: int
) -> None:
    *others, late = sorted(queue.weights)
    queue.lines.update(dict.fromkeys(others, 100_000))
    queue.serve(ahead)
    queue.lines[late] = 1
    stride = Fraction(1, queue.weights[late])
    # Each of the others goes before it only while its own pass is not beyond this one's.
    bound = sum(int(queue.weights[name] * stride) + 2 for name in others)
    assert late in queue.serve(bound + 1)


@given(st.integers(1, 50), st.integers(1, 400))
def test_who_was_away_neither_catches_up_nor_waits(weight: int, meanwhile: int) -> None:
    queue = Queue({"a": weight, "b": weight}, lines=Counter({"a": 10_000, "b": 1}))
    queue.serve(2)
    queue.serve(meanwhile)
    queue.lines["b"] += 10_000

    order = queue.serve(10)

    assert abs(order.count("a") - order.count("b")) <= 1
    assert "b" in order[:2]


def test_coming_and_going_brings_nobody_more_than_its_share() -> None:
    queue = Queue(dict.fromkeys("abc", 1), lines=Counter({"b": 1000, "c": 1000}))
    count: Counter[str] = Counter()
    for _ in range(300):
        # Its line is empty after every job; each time it comes as one that was away.
        queue.lines["a"] = 1
        count.update(queue.serve(1))
    assert max(count.values()) - min(count.values()) <= 2


def test_of_many_accounts_that_came_and_went_only_those_ahead_are_remembered() -> None:
    queue = Queue({f"acc{n}": 1 for n in range(5000)} | {"always": 1})
    queue.lines["always"] = 100_000
    for number in range(5000):
        queue.lines[f"acc{number}"] = 1
        queue.serve(2)
        assert len(queue.turns.passes) <= 4


def test_accounts_that_stand_equal_go_in_the_order_of_their_names() -> None:
    contenders = {name: Contender(1, UNLIMITED) for name in "cab"}
    assert plan(enter(EVEN, contenders), contenders, 7) == ["a", "b", "c", "a", "b", "c", "a"]


def test_where_nobody_has_a_place_left_nobody_is_chosen() -> None:
    contenders = {"a": Contender(1, 2), "b": Contender(5, 0)}
    assert plan(enter(EVEN, contenders), contenders, 9) == ["a", "a"]
    assert plan(EVEN, {}, 9) == []
