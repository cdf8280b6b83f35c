"""Decisions that explain themselves: which limit was reached, in the same words everywhere."""

from datetime import UTC
from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from schemas.operations import OperationName


class Quota(StrEnum):
    """What a plan can limit. Days and months are calendar ones, in the account's time zone."""

    JOBS_PER_DAY = "jobs_per_day"
    JOBS_PER_MONTH = "jobs_per_month"
    MEGAPIXELS_PER_DAY = "megapixels_per_day"
    IMAGE_PIXELS = "image_pixels"
    IMAGE_BYTES = "image_bytes"
    JOBS_IN_FLIGHT = "jobs_in_flight"
    JOBS_WAITING = "jobs_waiting"
    REQUESTS_PER_SECOND = "requests_per_second"
    REQUEST_BURST = "request_burst"


class LimitReached(BaseModel):
    """The limit that something did not fit in.

    Units are the quota's: jobs, started megapixels of input, pixels, bytes, requests.
    """

    model_config = ConfigDict(frozen=True)

    quota: Quota
    operation: OperationName | None = Field(
        None, description="Whose limit it is; null: of all operations together"
    )
    limit: int = Field(ge=0, lt=2**63, description="What is allowed")
    used: int = Field(ge=0, lt=2**63, description="What was used before this")
    asked: int = Field(ge=0, lt=2**63, description="What this would have added")
    resets_at: AwareDatetime | None = Field(
        None, description="When a calendar quota begins anew; null: when something ends"
    )

    def text(self) -> str:
        """Return it as an English sentence, for details and logs."""
        whose = f" of {self.operation}" if self.operation else ""
        words = (
            f"{self.quota}{whose}: {self.used} of {self.limit} used, {self.asked} more asked for"
        )
        if self.resets_at is None:
            return words
        return f"{words}; it begins anew at {self.resets_at.astimezone(UTC).isoformat()}"
