"""States of a job and who may move it: the closed sets that events, tables and the API share."""

from enum import StrEnum


class JobState(StrEnum):
    """Where a job stands."""

    REVIEW = "review"
    QUEUED = "queued"
    DISPATCHED = "dispatched"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    REJECTED = "rejected"
    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


TERMINAL = frozenset(
    {
        JobState.SUCCEEDED,
        JobState.REJECTED,
        JobState.FAILED,
        JobState.REFUSED,
        JobState.CANCELLED,
        JobState.EXPIRED,
    }
)


class Origin(StrEnum):
    """By which path a job came."""

    OBJECT = "object"
    API = "api"


class Actor(StrEnum):
    """Who made a transition."""

    DECIDE = "decide"
    DISPATCHER = "dispatcher"
    WORKER = "worker"
    RESULTS = "results"
    SWEEPER = "sweeper"
    CLIENT = "client"
    OPERATOR = "operator"
