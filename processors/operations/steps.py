"""Telling the progress of work that has several steps."""

from typing import Final

from processors.engine.tiled import Cancelled, Progress, ShouldStop
from processors.models.beat import Beat

_WHOLE: Final = 1000


def beat_of(progress: Progress, should_stop: ShouldStop, done: int, steps: int) -> Beat:
    """Return what is called while the step after `done` others runs.

    It tells `progress` that the work goes on, and raises `Cancelled` if it is to stop.
    """

    def beat() -> None:
        if should_stop():
            raise Cancelled
        progress(done, steps)

    return beat


def step_of(progress: Progress, number: int, steps: int) -> Progress:
    """Return the progress of one step, counted from 0, told as a share of all `steps`.

    Steps count alike; the whole is told in thousandths.
    """

    def tell(done: int, total: int) -> None:
        progress(round(_WHOLE * (number + done / max(total, 1)) / steps), _WHOLE)

    return tell
