"""Three hundred seeds of trouble: nothing is lost, nothing charged twice."""

from collections import Counter

import pytest

from tests.simulation.ahead import SEEDS, SEEDS_FOR_A_MUTANT
from tests.simulation.fate import CRASH_POINTS
from tests.simulation.mutants import MUTANTS
from tests.simulation.play import Outcome


@pytest.mark.timeout(900)
def test_no_seed_of_trouble_finds_anything(seeds: list[Outcome]) -> None:
    faults: Counter[str] = Counter()
    jobs: Counter[str] = Counter()
    for outcome in seeds:
        found = "\n".join((*outcome.trace, "", *outcome.findings))
        assert not outcome.findings, f"seed {outcome.seed}:\n{found}"
        faults += outcome.faults
        jobs += outcome.jobs
    assert len(seeds) == SEEDS
    # Shown by pytest -rP.
    print(f"{faults.total()} faults: {dict(sorted(faults.items()))}; jobs: {dict(jobs)}")  # noqa: T201
    assert all(jobs[state] for state in ("succeeded", "rejected", "failed", "cancelled", "expired"))
    never = [place for place in CRASH_POINTS if not faults[f"crash: {place}"]]
    assert not never, f"no process ever died {never}"
    assert {kind.partition(":")[0] for kind in faults} >= {
        "account suspended",
        "clock jumps",
        "crash",
        "job cancelled",
        "job retried",
        "kafka",
        "kafka away",
        "lock lost unnoticed",
        "picture kills its worker",
        "postgres",
        "postgres away",
        "process frozen",
        "process killed",
        "process stopped in order",
        "restoring hangs",
        "store",
        "store away",
        "store event doubled",
        "store event late",
        "store event lost",
    }


@pytest.mark.timeout(900)
def test_every_build_that_is_broken_on_purpose_is_caught(hunts: list[Outcome]) -> None:
    for mutant, outcome in zip(MUTANTS, hunts, strict=True):
        found = outcome.findings
        assert found, f"{SEEDS_FOR_A_MUTANT} seeds did not find that {mutant.name}"
        expected = any(finding.startswith(mutant.expected) for finding in found)
        assert expected, f"{mutant.name} was found otherwise: {found}"


@pytest.mark.timeout(900)
def test_a_seed_decides_everything(twice: list[Outcome]) -> None:
    first, again = twice
    assert (first.digest, first.faults, first.turns) == (again.digest, again.faults, again.turns)
