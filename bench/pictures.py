"""Photographs that quality is measured on: those in scikit-image's wheel, read offline."""

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import skimage
from PIL import Image

PHOTOGRAPHS: Final = (
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "camera.png",
    "rocket.jpg",
    "motorcycle_left.png",
    "brick.png",
    "grass.png",
    "gravel.png",
    "moon.png",
    "coins.png",
    "hubble_deep_field.jpg",
)
DETAILS: Final = (
    "page.png",
    "ihc.png",
    "retina.jpg",
    "cell.png",
    "text.png",
    "clock_motion.png",
)
"""Pages, microscopy and what else looks like damage and is none."""

_LONGEST = 1000


def photograph(name: str) -> npt.NDArray[np.uint8]:
    """Return a photograph, uint8 (H, W, 1) or (H, W, 3), its middle where it is larger."""
    path = Path(skimage.__file__).parent / "data" / name
    with Image.open(path) as opened:
        grey = opened.mode in {"L", "1", "P", "I;16"} and name.endswith(".png")
        pixels = np.asarray(opened.convert("L" if grey else "RGB"))
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    top, left = (max(0, (side - _LONGEST) // 2) for side in pixels.shape[:2])
    return np.ascontiguousarray(pixels[top : top + _LONGEST, left : left + _LONGEST])
