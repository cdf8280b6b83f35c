"""Pictures that say by their width what shall become of them, and who does that to them."""

from __future__ import annotations

import io
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as Pillow
from typing_extensions import override

from processors.engine.tiled import Cancelled
from processors.failures import ProcessingFailure
from processors.images.decode import decode
from processors.images.decoder import Decoder
from processors.images.image import Image
from processors.images.limits import DecodeLimits
from processors.operations import Report, Restorer
from processors.operations.result import Restored, Used
from processors.worker.leases import STALLED_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from processors.engine.tiled import Progress, ShouldStop
    from schemas.operations import Parameters
    from tests.simulation.scheduler import Simulation


class Fate(IntEnum):
    """What becomes of a picture that is restored: told by its width in pixels."""

    RESTORED = 16
    FAILS = 17
    BREAKS = 18
    HANGS = 19
    KILLS = 20


def picture(fate: Fate, number: int) -> bytes:
    """Return a picture of that fate, with bytes of its own."""
    pixels = np.full((8, int(fate), 3), 127, np.uint8)
    pixels[0, 0] = (number >> 16 & 255, number >> 8 & 255, number & 255)
    body = io.BytesIO()
    Pillow.fromarray(pixels).save(body, "PNG")
    return body.getvalue()


class DirectDecoder(Decoder):
    """Decodes in this process: what it is given is harmless."""

    def __init__(self) -> None:
        self._direct = DecodeLimits()

    @override
    def decode(self, data: bytes, *, should_stop: Callable[[], bool] = lambda: False) -> Image:
        return decode(data, self._direct)


class ScriptedRestorer(Restorer):
    """Does to a picture what its width asks for, tile by tile."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    @override
    def restore(
        self,
        parameters: Parameters,
        image: Image,
        mask: Image | None = None,
        *,
        progress: Progress,
        should_stop: ShouldStop,
    ) -> Restored:
        tiles = self._simulation.random.randint(1, 6)
        for tile in range(tiles):
            if should_stop():
                raise Cancelled
            self._simulation.point("amid restoring")
            self._simulation.sleep(self._simulation.random.random() * 8)
            progress(tile + 1, tiles)
        self._meet(Fate(image.width))
        report = Report(
            (Used("scripted"),),
            (image.width, image.height),
            (image.width, image.height),
            tiles=tiles,
        )
        return Restored(image, report)

    def _meet(self, fate: Fate) -> None:
        match fate:
            case Fate.FAILS:
                raise ScriptedFailure("the picture asks for it")
            case Fate.BREAKS:
                raise MemoryError
            case Fate.HANGS:
                # Longer than a lease is renewed without progress; then it comes back to life.
                self._simulation.fault("restoring hangs")
                self._simulation.sleep(2 * STALLED_S)
                if self._simulation.chance(0.5):
                    raise ScriptedFailure("it hung, and then it failed")
            case Fate.KILLS:
                self._simulation.fault("picture kills its worker")
                self._simulation.die()
            case Fate.RESTORED:
                return


class ScriptedFailure(ProcessingFailure):
    """A picture that cannot be restored."""
