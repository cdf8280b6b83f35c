"""Rectangles and polygons as masks."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from schemas.operations import Polygon, Rectangle


def covered(
    shapes: Sequence[Rectangle | Polygon], width: int, height: int
) -> npt.NDArray[np.bool_]:
    """Return which pixels of a picture the shapes cover, bool (height, width).

    What lies outside the picture is cut off. A polygon covers its outline; one that crosses
    itself covers what an odd number of its turns surround.
    """
    mask = np.zeros((height, width), np.uint8)
    for shape in shapes:
        match shape:
            case Rectangle():
                right, bottom = shape.left + shape.width, shape.top + shape.height
                mask[shape.top : bottom, shape.left : right] = 1
            case Polygon():
                cv2.fillPoly(mask, [np.array(shape.points, np.int32)], 1)
    return mask.astype(np.bool_)
