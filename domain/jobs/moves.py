"""Every legal move of a job, once: from where, to where, by whom."""

from typing import Final

from schemas.states import Actor, JobState

Move = tuple[JobState | None, JobState, Actor]
"""A move; None is where a job comes from that was not there before."""

_WAITING: Final = (JobState.QUEUED, JobState.REVIEW, JobState.DISPATCHED)
_STARTED: Final = (JobState.QUEUED, JobState.DISPATCHED, JobState.RUNNING)

MOVES: Final[frozenset[Move]] = frozenset(
    {
        (None, JobState.QUEUED, Actor.DECIDE),
        (None, JobState.REJECTED, Actor.DECIDE),
        (None, JobState.REVIEW, Actor.DECIDE),
        (JobState.REVIEW, JobState.QUEUED, Actor.OPERATOR),
        (JobState.REVIEW, JobState.REJECTED, Actor.OPERATOR),
        (JobState.QUEUED, JobState.DISPATCHED, Actor.DISPATCHER),
        (JobState.DISPATCHED, JobState.RUNNING, Actor.WORKER),
        (JobState.DISPATCHED, JobState.QUEUED, Actor.SWEEPER),
        (JobState.RUNNING, JobState.QUEUED, Actor.SWEEPER),
        (JobState.RUNNING, JobState.QUEUED, Actor.WORKER),
        (JobState.RUNNING, JobState.FAILED, Actor.SWEEPER),
        (JobState.RUNNING, JobState.CANCELLED, Actor.SWEEPER),
        (JobState.RUNNING, JobState.FAILED, Actor.RESULTS),
        (JobState.RUNNING, JobState.REFUSED, Actor.RESULTS),
        (JobState.RUNNING, JobState.CANCELLED, Actor.RESULTS),
    }
    | {(before, JobState.SUCCEEDED, Actor.RESULTS) for before in _STARTED}
    | {(before, JobState.EXPIRED, Actor.SWEEPER) for before in _WAITING}
    | {
        (before, JobState.CANCELLED, by)
        for before in _WAITING
        for by in (Actor.CLIENT, Actor.OPERATOR)
    }
)
"""All there are. A success counts from wherever work had begun to be asked for: it is done."""
