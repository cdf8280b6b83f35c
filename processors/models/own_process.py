"""Networks stay in the process that loaded the first one: their threads do not survive a fork."""

import functools
import os

from processors.failures import ProcessingFailure


class ForkedAway(ProcessingFailure):
    """This process was forked from one that has networks, and can neither load nor run any."""


def claim_networks() -> None:
    """Make this process the one that networks are loaded and run in.

    Raises `ForkedAway` in a process that was forked from such a one. There torch, onnxruntime and
    OpenVINO would wait for ever for threads that are their parent's.
    """
    if _owner() != os.getpid():
        raise ForkedAway(
            f"process {os.getpid()} was forked from {_owner()}, which has loaded networks, and "
            "these do not survive that: start processes by multiprocessing's `spawn`"
        )


@functools.cache
def _owner() -> int:
    """Return the process that asked first, in those that are forked from it, too."""
    return os.getpid()
