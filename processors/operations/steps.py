"""Telling the progress of work that has several steps."""

from typing import Final

from processors.engine.tiled import Progress

_WHOLE: Final = 1000


def step_of(progress: Progress, number: int, steps: int) -> Progress:
    """Return the progress of one step, counted from 0, told as a share of all `steps`.

    Steps count alike; the whole is told in thousandths.
    """

    def tell(done: int, total: int) -> None:
        progress(round(_WHOLE * (number + done / max(total, 1)) / steps), _WHOLE)

    return tell
