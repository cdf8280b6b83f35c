"""What can be asked for: operations with their limits, presets, prices; and what a job costs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from schemas.megapixels import started_megapixels
from schemas.operations import OperationName, Parameters


class Pricing(StrEnum):
    """What a price is for."""

    MEGAPIXEL = "megapixel"
    JOB = "job"


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation and the largest picture that it takes (bytes, pixels, pixels a side)."""

    name: OperationName
    max_bytes: int
    max_pixels: int
    max_side: int
    pricing: Pricing


@dataclass(frozen=True, slots=True)
class Preset:
    """A named operation with its parameters; `account_id` is None for those everyone has."""

    name: str
    account_id: str | None
    parameters: Parameters


@dataclass(frozen=True, slots=True)
class Price:
    """What an operation costs from a date on, in minor units of a currency."""

    operation: OperationName
    unit: str
    amount: int
    effective_from: datetime

    @property
    def id(self) -> str:
        """Return what names this price for ever: no two of an operation begin at one time."""
        return f"{self.operation}/{self.unit}/{self.effective_from.astimezone(UTC).isoformat()}"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What holds at one moment: read once, asked often."""

    operations: Mapping[OperationName, Operation]
    presets: Mapping[tuple[str | None, str], Preset]
    prices: Mapping[tuple[OperationName, str], Price]

    def preset(self, account_id: str, name: str) -> Preset | None:
        """Return the preset that an account means by a name: its own before the built-in."""
        return self.presets.get((account_id, name)) or self.presets.get((None, name))

    def amount(self, operation: OperationName, unit: str, pixels: int) -> int | None:
        """Return what a picture of `pixels` costs, in minor units; None when it has no price."""
        price = self.prices.get((operation, unit))
        if price is None:
            return None
        return price.amount * quantity(self.operations[operation].pricing, pixels)


def quantity(pricing: Pricing, pixels: int) -> int:
    """Return how many of what is priced a picture makes: started megapixels, or one job."""
    match pricing:
        case Pricing.MEGAPIXEL:
            return started_megapixels(pixels)
        case Pricing.JOB:
            return 1
