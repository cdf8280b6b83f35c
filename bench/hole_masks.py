"""Masks of three kinds, drawn by a seeded generator: thin lines, text, blobs."""

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]


def lines(shape: tuple[int, int], rng: np.random.Generator) -> Mask:
    """Return a dozen bent lines, 1 to 5 pixels wide."""
    drawn = np.zeros(shape, np.uint8)
    for _ in range(12):
        points = [rng.uniform(0, 1, 2) * shape[::-1]]
        angle = rng.uniform(0, 2 * np.pi)
        for _ in range(int(rng.integers(4, 20))):
            angle += rng.normal(0, 0.15)
            points.append(points[-1] + 12 * np.array([np.cos(angle), np.sin(angle)]))
        path = np.round(points).astype(np.int32)
        cv2.polylines(drawn, [path], isClosed=False, color=1, thickness=int(rng.integers(1, 6)))
    return drawn.astype(np.bool_)


def text(shape: tuple[int, int], rng: np.random.Generator) -> Mask:
    """Return five rows of a dozen capital letters of different size."""
    drawn = np.zeros(shape, np.uint8)
    for _ in range(5):
        letters = "".join(chr(code) for code in rng.integers(65, 91, 12))
        scale = float(rng.uniform(0.5, 1.3))
        place = (int(rng.integers(0, shape[1] // 2)), int(rng.integers(25, shape[0])))
        bold = max(1, round(scale * 2.5))
        cv2.putText(drawn, letters, place, cv2.FONT_HERSHEY_SIMPLEX, scale, 1, bold)
    return drawn.astype(np.bool_)


def blobs(shape: tuple[int, int], rng: np.random.Generator) -> Mask:
    """Return six round blobs, 15 to 60 pixels across."""
    drawn = np.zeros(shape, np.uint8)
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    for _ in range(6):
        centre = rng.uniform(0.05, 0.95, 2) * shape[::-1]
        wave = np.sin(turn * rng.integers(2, 5) + rng.uniform(0, 6))
        radius = rng.uniform(15, 60) / 2 * (1 + 0.25 * wave)
        outline = centre + np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1)
        cv2.fillPoly(drawn, [np.round(outline).astype(np.int32)], 1)
    return drawn.astype(np.bool_)


KINDS: Final[dict[str, Callable[[tuple[int, int], np.random.Generator], Mask]]] = {
    "lines": lines,
    "text": text,
    "blobs": blobs,
}
