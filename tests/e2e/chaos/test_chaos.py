"""A thousand uploads through a storm of faults: none lost, none charged twice, nothing open."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from infra.stack import Running, running
from tests.e2e.chaos.invariants import RULES, findings
from tests.e2e.chaos.observed import observe
from tests.e2e.chaos.schedule import Kind, brief
from tests.e2e.chaos.storm import STRIKES_AT_ONCE, Report, storm, told
from tests.e2e.chaos.tampering import harm

SEED = 7
JOBS = 1000
SLACK_S = 60.0


@dataclass(frozen=True)
class Weathered:
    """A system after its storm, and the storm's report."""

    system: Running
    report: Report


@pytest.fixture(scope="module")
def weathered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Weathered]:
    with (
        ThreadPoolExecutor(STRIKES_AT_ONCE) as hands,
        running(tmp_path_factory.mktemp("chaos"), durable=False) as system,
    ):
        report = storm(
            system,
            brief(SEED, JOBS),
            seed=SEED,
            jobs=JOBS,
            hands=hands,
            tell=lambda now: print(f"{now.sent:5} {now.text}"),  # noqa: T201 - pytest shows it on failure
        )
        yield Weathered(system, report)


@pytest.mark.timeout(420)
def test_nothing_is_lost_or_charged_twice_in_a_storm(weathered: Weathered) -> None:
    report = weathered.report
    assert report.findings == ()
    assert set(report.faults) == set(Kind)
    assert report.states["succeeded"] > JOBS / 2
    assert report.states["cancelled"] > 0
    assert report.states["rejected"] > 0


@pytest.mark.timeout(420)
def test_what_was_struck_recovers_by_itself(weathered: Weathered) -> None:
    slow = [
        told(measured)
        for measured in weathered.report.measured
        if measured.all_s is None or measured.all_s > measured.fault.seconds + SLACK_S
    ]
    assert slow == []


@pytest.mark.timeout(420)
def test_harm_done_to_the_same_system_is_found_by_every_rule(weathered: Weathered) -> None:
    for process in ("streams", "worker", "api"):
        weathered.system.process(process).stop()
    settings = weathered.system.settings()
    done = harm(settings, weathered.report.observed)
    assert {rule for rule, _ in done.expected} == {rule.__name__ for rule in RULES}
    found = {(finding.rule, finding.subject) for finding in findings(observe(settings, done.sent))}
    assert done.expected - found == set()
