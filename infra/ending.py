"""The end of a process that is over, whatever its threads still do."""

import os
import threading
from typing import Final

EXIT_CANNOT_GO_ON: Final = 70
"""Exit status (EX_SOFTWARE) of a process that ends so that its supervisor starts it anew."""

EXIT_S: Final = 5.0
"""How long threads may take to end of themselves, once what they served has ended."""


def end_soon(within_s: float = EXIT_S) -> None:
    """Let this process end; by force after `within_s`, for Python waits for threads that hang."""
    timer = threading.Timer(within_s, os._exit, (EXIT_CANNOT_GO_ON,))
    timer.daemon = True
    timer.start()
