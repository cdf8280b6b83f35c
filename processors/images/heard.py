"""What C libraries say of a file on the standard error. In the decoder's process.

libjpeg and libtiff go on as well as they can where data are damaged, and tell it there alone.
"""

import os
from collections.abc import Callable
from typing import Final, TypeVar

Given = TypeVar("Given")

_STANDARD_ERROR: Final = 2
_MOST: Final = 4_096
_OF_OPENCV: Final = b"["


def heard(work: Callable[[], Given]) -> tuple[Given, bool]:
    """Do the work; return what it gives, and whether a library complained of its file.

    OpenCV's own lines, which begin with their level in brackets, are none. Not for two threads
    at once.
    """
    read_end, write_end = os.pipe()
    before = os.dup(_STANDARD_ERROR)
    try:
        # One who complains without end finds the pipe full, and goes on.
        os.set_blocking(write_end, False)
        os.dup2(write_end, _STANDARD_ERROR)
        os.close(write_end)
        try:
            given = work()
        finally:
            os.dup2(before, _STANDARD_ERROR)
        said = os.read(read_end, _MOST)
    finally:
        os.close(before)
        os.close(read_end)
    lines = (line.strip() for line in said.splitlines())
    return given, any(line and not line.startswith(_OF_OPENCV) for line in lines)
