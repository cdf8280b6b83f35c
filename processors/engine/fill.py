"""Filling holes in a picture from what is around them."""

import cv2
import numpy as np
import numpy.typing as npt

_TELEA_RADIUS = 3


def fill_by_frequency(
    pixels: npt.NDArray[np.uint8], unknown: npt.NDArray[np.bool_]
) -> npt.NDArray[np.uint8]:
    """Fill by frequency selective reconstruction (Genser et al., 2018), OpenCV's FSR_FAST.

    On photographs 1.5 to 4 dB closer to the truth than Telea's method. OpenCV's code may crash
    on some sizes: call it in a process of its own. Returns the shape of `pixels`, (H, W, 1) or
    (H, W, 3); known pixels may change a little.
    """
    filled = np.zeros_like(pixels)
    # In xphoto's masks, 0 is what is to be filled.
    known = np.where(unknown, 0, 255).astype(np.uint8)
    cv2.xphoto.inpaint(pixels, known, filled, cv2.xphoto.INPAINT_FSR_FAST)
    return filled.reshape(pixels.shape)


def fill_by_marching(
    pixels: npt.NDArray[np.uint8], unknown: npt.NDArray[np.bool_]
) -> npt.NDArray[np.uint8]:
    """Fill from the rim inwards by Telea's method (2004); quick whatever the size.

    Returns the shape of `pixels`, (H, W, 1) or (H, W, 3).
    """
    filled: npt.NDArray[np.uint8] = cv2.inpaint(
        pixels, unknown.astype(np.uint8), _TELEA_RADIUS, cv2.INPAINT_TELEA
    )
    return filled.reshape(pixels.shape)
