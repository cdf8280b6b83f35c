from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from domain.admission.restrictions import Step
from domain.admission.rules import RULES
from domain.admission.rules.broken_files import BrokenFilesParameters
from domain.admission.rules.burst import BurstParameters
from domain.admission.rules.ladder import Ladder, Rung
from domain.admission.rules.rule import EVERY_OTHER, Rule
from domain.admission.rules.scraping import ScrapingParameters
from domain.admission.rules.stray_key import StrayKeyParameters
from schemas.operations import OperationName


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_every_rule_has_a_setting_for_any_plan_that_is_read_back_as_written(
    rule: Rule[Any],
) -> None:
    assert EVERY_OTHER in rule.defaults
    for setting in rule.defaults.values():
        written = setting.parameters.model_dump_json()
        assert rule.parameters.model_validate_json(written) == setting.parameters
        assert Ladder.model_validate_json(setting.ladder.model_dump_json()) == setting.ladder


@pytest.mark.parametrize(
    ("parameters", "written", "says"),
    [
        (BurstParameters, {}, "at_least"),
        (BurstParameters, {"at_least": 0}, "greater than or equal to 1"),
        (BurstParameters, {"at_least": 5, "times": 0.5}, "greater than or equal to 1"),
        (BurstParameters, {"at_least": 5, "window": "PT3H"}, "less than or equal to 2 hours"),
        (BurstParameters, {"at_least": 5, "window": "PT90S"}, "not of full minutes"),
        (BurstParameters, {"at_least": 5, "treshold": 1}, "Extra inputs are not permitted"),
        (BrokenFilesParameters, {"at_least": 5, "share": 1.5}, "less than or equal to 1"),
        (BrokenFilesParameters, {"at_least": 5, "share": 0}, "greater than 0"),
        (BrokenFilesParameters, {"at_least": 5, "share": "nan"}, "share"),
        (BrokenFilesParameters, {"at_least": 5, "minutes": 61}, "less than or equal to 60"),
        (ScrapingParameters, {"at_least": 10**10}, "less than or equal to 1000000000"),
        (
            StrayKeyParameters,
            {"networks": 1, "countries": 1, "requests": 1, "silence": "P400D"},
            "less than or equal to 28 days",
        ),
    ],
)
def test_parameters_that_make_no_sense_are_refused_and_it_is_said_which(
    parameters: type[Any], written: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValidationError, match=says):
        parameters.model_validate(written)


MINUTES = timedelta(minutes=10)


@pytest.mark.parametrize(
    ("rungs", "says"),
    [
        ([], "at least 1 item"),
        ([Rung(step=Step.FLAG, after=MINUTES)], "the first step is taken at once"),
        (
            [Rung(step=Step.REVIEW), Rung(step=Step.SLOW_DOWN, after=MINUTES)],
            "slow_down does not go further than review",
        ),
        (
            [Rung(step=Step.FLAG), Rung(step=Step.SLOW_DOWN)],
            "slow_down is taken no later than flag",
        ),
    ],
)
def test_a_ladder_climbs_from_now_on(rungs: list[Rung], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Ladder(tuple(rungs))


def test_only_an_operations_suspension_names_an_operation() -> None:
    with pytest.raises(ValidationError, match="suspend_operation needs one"):
        Rung(step=Step.SUSPEND_OPERATION)
    with pytest.raises(ValidationError, match="review is given upscale"):
        Rung(step=Step.REVIEW, operation=OperationName.UPSCALE)
    assert Rung(step=Step.SUSPEND_OPERATION, operation=OperationName.INPAINT)


def test_what_goes_on_climbs() -> None:
    ladder = Ladder(
        (
            Rung(step=Step.FLAG),
            Rung(step=Step.SLOW_DOWN, after=timedelta(minutes=5)),
            Rung(step=Step.REVIEW, after=timedelta(hours=1)),
        )
    )
    levels = [ladder.level(timedelta(minutes=m)) for m in (-3, 0, 4, 5, 59, 60, 6_000)]
    assert levels == [0, 0, 0, 1, 1, 2, 2]
