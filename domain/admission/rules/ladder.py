"""What follows from a finding: how grave it is, whether it acts, and step by step what it does."""

from datetime import timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, RootModel, model_validator

from domain.admission.restrictions import Step
from schemas.operations import OperationName


class Mode(StrEnum):
    """What a rule may do: nothing, record what it finds, or climb its ladder, too."""

    OFF = "off"
    SHADOW = "shadow"
    ENFORCED = "enforced"


class Severity(StrEnum):
    """How soon a person should look at a finding."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Rung(BaseModel):
    """A step, when it is taken, and how long it lasts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: Step
    after: Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=90))] = timedelta(0)
    """Taken when what was found still goes on so long after it was found; see `Match.latest`."""
    expires_after: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=365))] | None = (
        None
    )
    """None: it lasts until a person lifts it."""
    operation: OperationName | None = None
    """Which operation is suspended; of no other step."""

    @model_validator(mode="after")
    def _says_which_operation(self) -> Self:
        if (self.step is Step.SUSPEND_OPERATION) != (self.operation is not None):
            raise ValueError(
                f"operation: {Step.SUSPEND_OPERATION} needs one, {self.step} is given"
                f" {self.operation}"
            )
        return self


class Ladder(RootModel[Annotated[tuple[Rung, ...], Field(min_length=1, max_length=5)]]):
    """The steps of a rule, the mildest and soonest first; the first is taken at once."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="after")
    def _climbs(self) -> Self:
        if self.root[0].after:
            raise ValueError(f"the first step is taken at once, not after {self.root[0].after}")
        order = list(Step)
        for lower, higher in pairwise(self.root):
            if order.index(lower.step) >= order.index(higher.step):
                raise ValueError(f"{higher.step} does not go further than {lower.step} before it")
            if lower.after >= higher.after:
                raise ValueError(f"{higher.step} is taken no later than {lower.step} before it")
        return self

    def level(self, going_on: timedelta) -> int:
        """Return which rung, from 0, is reached by what goes on for so long after it was found."""
        return max(n for n, rung in enumerate(self.root) if n == 0 or rung.after <= going_on)
