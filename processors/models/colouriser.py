"""DeOldify, which gives grey photographs colours, out of a file that the operator supplies.

How it is fed was read from FaceFusion, which publishes the export: `input`, float32
(1, 3, side, side), the grey picture as RGB in 0..255; it gives RGB in 0..255. Only its colours
are taken, at whatever size: lightness stays the photograph's.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from processors.models.beat import Beat
from processors.models.supplied import SuppliedEntry
from processors.models.supplied_network import SuppliedNetwork

_SIDE: Final = 256

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Colouriser:
    """A network that colours pictures. Safe to share between threads."""

    entry: SuppliedEntry
    network: SuppliedNetwork

    def colourise(self, pixels: Pixels, beat: Beat) -> Pixels:
        """Return `pixels`, uint8 (H, W, 1 or 3), in colours: (H, W, 3) RGB, as light as before.

        Colours that the picture has are not looked at. Raises as `SuppliedNetwork.run` does.
        """
        height, width, channels = pixels.shape
        grey = pixels if channels == 1 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        rgb = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
        small = cv2.resize(rgb, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        planes = np.ascontiguousarray(small.transpose(2, 0, 1), np.float32)[np.newaxis]
        output = self.network.run({"input": planes}, planes.shape, beat)
        coloured = np.clip(output[0].transpose(1, 2, 0) / 255, 0, 1)
        hues = cv2.cvtColor(np.ascontiguousarray(coloured), cv2.COLOR_RGB2LAB)[..., 1:]
        laid = cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        laid[..., 1:] = cv2.resize(hues, (width, height), interpolation=cv2.INTER_CUBIC)
        levels: npt.NDArray[np.float32] = cv2.cvtColor(laid, cv2.COLOR_LAB2RGB) * 255
        return np.clip(np.rint(levels), 0, 255).astype(np.uint8)
