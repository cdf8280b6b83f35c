"""The garbage collector of Python, in a process that works in batches."""

import gc
from typing import Final

_YOUNG: Final = 10_000
"""Objects made, less those gone, after which the collector looks at the youngest: not 700."""


def settle() -> None:
    """Let the collector never again look at what is here now. Called once a process is ready.

    A batch makes tens of thousands of objects, nearly all of which go by their count of
    references; to look for the others, all that the process has imported was looked through
    every other batch. What comes later is collected as ever.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG)
