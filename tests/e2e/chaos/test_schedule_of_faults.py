"""A storm's schedule follows from its seed, and leaves no fault out."""

from collections import Counter

import pytest

from tests.e2e.chaos.schedule import Fault, Kind, brief, full

SEEDS = range(20)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_seed_gives_the_same_schedule(seed: int) -> None:
    assert full(seed, 3000) == full(seed, 3000)
    assert brief(seed, 1000) == brief(seed, 1000)


def test_other_seeds_give_other_schedules() -> None:
    assert len({full(seed, 3000) for seed in SEEDS}) == len(SEEDS)
    assert len({brief(seed, 1000) for seed in SEEDS}) == len(SEEDS)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_kind_of_fault_is_in_both_schedules(seed: int) -> None:
    for schedule in (brief(seed, 1000), full(seed, 3000)):
        assert {strike.fault.kind for strike in schedule} == set(Kind)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_long_storm_ends_processes_in_order_twenty_times_a_round(seed: int) -> None:
    kinds = Counter(strike.fault.kind for strike in full(seed, 5000, rounds=2))
    assert kinds[Kind.TERM] == 40
    targets = {(s.fault.kind, s.fault.target) for s in full(seed, 5000)}
    for process in ("streams", "worker", "api"):
        assert {(k, process) for k in (Kind.KILL, Kind.TERM, Kind.FREEZE)} <= targets
    for server in ("postgres", "kafka", "store"):
        assert {(k, server) for k in (Kind.RESTART, Kind.AWAY)} <= targets


@pytest.mark.parametrize("seed", SEEDS)
def test_each_fault_has_a_part_of_the_load_around_it(seed: int) -> None:
    schedule = full(seed, 3000)
    ends = [0]
    for strike in schedule:
        assert ends[-1] <= strike.at < strike.midway < strike.until
        ends.append(strike.until)
    assert ends[-1] <= 3000


def test_too_few_jobs_for_the_faults_are_refused() -> None:
    with pytest.raises(ValueError, match="13 jobs are too few"):
        brief(1, 13)


def test_a_fault_says_what_it_does() -> None:
    assert str(Fault(Kind.AWAY, "kafka", 10.0)) == "away kafka for 10 s"
    assert str(Fault(Kind.KILL, "api")) == "kill api"
