"""Between a picture's own channels and the RGB that networks see."""

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


def as_rgb(pixels: Pixels) -> Pixels:
    """Return grey, (H, W, 1), as three equal channels, and colour as it is."""
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


def as_grey(pixels: Pixels) -> Pixels:
    """Return the rounded mean of three channels, (H, W, 1)."""
    total: npt.NDArray[np.uint16] = pixels.sum(axis=2, dtype=np.uint16, keepdims=True)
    return ((total + 1) // 3).astype(np.uint8)


def visible(pixels: Pixels, alpha: npt.NDArray[np.uint8] | None) -> Pixels:
    """Return `pixels` with each fully transparent one replaced by the nearest that is not."""
    if alpha is None or alpha.all() or not alpha.any():
        return pixels
    hidden = (alpha == 0).astype(np.uint8)
    _, nearest = cv2.distanceTransformWithLabels(
        hidden, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colours = np.zeros((int(nearest.max()) + 1, pixels.shape[2]), np.uint8)
    colours[nearest[hidden == 0]] = pixels[hidden == 0]
    seen: Pixels = colours[nearest]
    return seen


def resampled(channels: Pixels, width: int, height: int) -> Pixels:
    """Return (H, W) or (H, W, C) at that size: by area where it shrinks, else bicubic."""
    if (channels.shape[1], channels.shape[0]) == (width, height):
        return channels
    shrinks = width <= channels.shape[1] and height <= channels.shape[0]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    resized: Pixels = cv2.resize(channels, (width, height), interpolation=method)
    return resized.reshape(height, width, *channels.shape[2:])
