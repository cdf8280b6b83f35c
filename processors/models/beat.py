"""How a network that runs for long tells so, and hears that it is to stop."""

import threading
import time
from collections.abc import Callable
from typing import Final

from torch import nn

Beat = Callable[[], None]
"""Called once a second while a network runs; what it raises ends the run, and is raised by it."""

BEAT_S: Final = 1.0


class LayerBeat(threading.local):
    """Beats between the layers of a torch network, for each thread that runs it."""

    def watch(self, network: nn.Module) -> None:
        """Look at the time before each layer of `network`, whenever it runs."""
        for layer in network.modules():
            layer.register_forward_pre_hook(self._looked)

    def begin(self, beat: Beat) -> None:
        """Call `beat` in what this thread runs from now on."""
        self._beat = beat
        self._last = time.monotonic()

    def _looked(self, *_: object) -> None:
        now = time.monotonic()
        if now - self._last >= BEAT_S:
            self._last = now
            self._beat()
