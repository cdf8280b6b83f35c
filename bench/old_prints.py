"""What time does to prints, drawn by a seeded generator, with the truth of where it lies."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

KINDS: Final = ("scratches", "dust", "folds")
_SCRATCHES_PER_MEGAPIXEL = 24
_SPECKS_PER_MEGAPIXEL = 150
_SEEN = 10
_DRAWN = 0.25
_PART, _PART_BITS = 16, 4
"""cv2 draws to that part of a pixel."""


@dataclass(frozen=True, slots=True, eq=False)
class OldPrint:
    """A damaged picture, uint8 (H, W, C), and bool (H, W) for each kind of damage.

    True is where the damage covers a quarter or more and changed a value by 10 of 255 or more:
    a white scratch on white paper is none.
    """

    pixels: npt.NDArray[np.uint8]
    truth: dict[str, npt.NDArray[np.bool_]]


def damaged(pixels: npt.NDArray[np.uint8], seed: int, kinds: tuple[str, ...] = KINDS) -> OldPrint:
    """Return `pixels`, (H, W, 1) or (H, W, 3), with damage of those kinds; same seed, same print.

    Scratches are 1 to 6 pixels wide, bent, bright or dark, broken here and there, mostly upright;
    dust is specks and fibres; a fold runs from side to side, cracked, with soft shading.
    """
    rng = np.random.default_rng(seed)
    values = pixels.astype(np.float32)
    truth = {}
    for kind in kinds:
        before = values.copy()
        cover, tone = _DRAWERS[kind](pixels.shape[:2], rng)
        if kind == "folds":
            values = values * _shading(cover)[..., np.newaxis]
            before = values.copy()
        values += (tone[..., np.newaxis] - values) * cover[..., np.newaxis]
        changed = np.abs(values - before).max(axis=2) >= _SEEN
        truth[kind] = changed & (cover >= _DRAWN)
    return OldPrint(np.clip(np.rint(values), 0, 255).astype(np.uint8), truth)


Layer = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]


def _scratches(shape: tuple[int, int], rng: np.random.Generator) -> Layer:
    cover, tone = _blank(shape)
    height, width = shape
    for _ in range(_count(shape, _SCRATCHES_PER_MEGAPIXEL)):
        upright = _happens(rng, 0.7)
        angle = np.pi / 2 + rng.normal(0, 0.12) if upright else rng.uniform(0, np.pi)
        length = rng.uniform(0.2, 1.0) * height
        points = _bent(rng.uniform(0, 1, 2) * (width, height), angle, length, 0.02, rng)
        stroke = np.zeros(shape, np.float32)
        broad = float(rng.uniform(1, 6)) if _happens(rng, 0.4) else float(rng.uniform(1, 2.5))
        for start, end in pairwise(points):
            if _happens(rng, 0.95):
                _line(stroke, start, end, broad * float(rng.uniform(0.8, 1.2)))
        stroke = cv2.GaussianBlur(stroke, (0, 0), float(rng.uniform(0.4, 0.9)))
        _lay(cover, tone, stroke * np.float32(rng.uniform(0.5, 1)), _tint(rng))
    return cover, tone


def _dust(shape: tuple[int, int], rng: np.random.Generator) -> Layer:
    cover, tone = _blank(shape)
    height, width = shape
    for _ in range(_count(shape, _SPECKS_PER_MEGAPIXEL)):
        place = rng.uniform(0, 1, 2) * (width, height)
        stroke = np.zeros(shape, np.float32)
        if _happens(rng, 0.2):
            points = _bent(place, rng.uniform(0, np.pi), rng.uniform(10, 40), 0.25, rng, step=3)
            for start, end in pairwise(points):
                _line(stroke, start, end, float(rng.uniform(1, 2)))
        else:
            radius, turn = rng.uniform(1, 4), np.linspace(0, 2 * np.pi, 9)[:-1]
            edge = radius * rng.uniform(0.7, 1.3, 8)
            outline = place + np.stack([edge * np.cos(turn), edge * np.sin(turn)], axis=1)
            corners = np.rint(outline * _PART).astype(np.int32)
            cv2.fillPoly(stroke, [corners], 1.0, cv2.LINE_8, _PART_BITS)
        stroke = cv2.GaussianBlur(stroke, (0, 0), 0.5)
        _lay(cover, tone, stroke * np.float32(rng.uniform(0.6, 1)), _tint(rng))
    return cover, tone


def _folds(shape: tuple[int, int], rng: np.random.Generator) -> Layer:
    cover, tone = _blank(shape)
    height, width = shape
    level = _happens(rng, 0.5)
    angle = (0.0 if level else np.pi / 2) + rng.normal(0, 0.05)
    across = rng.uniform(0.25, 0.75)
    place = np.array((-5.0, across * height) if level else (across * width, -5.0))
    points = _bent(place, angle, max(shape) * 1.2, 0.01, rng, step=6)
    for start, end in pairwise(points):
        _line(cover, start, end, float(rng.uniform(2.5, 7)))
    cover = cv2.GaussianBlur(cover, (0, 0), 0.8) * np.float32(rng.uniform(0.7, 1))
    tone[:] = _tint(rng, bright=1.0)
    return cover, tone


_DRAWERS = {"scratches": _scratches, "dust": _dust, "folds": _folds}


def _happens(rng: np.random.Generator, chance: float) -> bool:
    return bool(rng.random() < chance)


def _blank(shape: tuple[int, int]) -> Layer:
    return np.zeros(shape, np.float32), np.zeros(shape, np.float32)


def _count(shape: tuple[int, int], per_megapixel: float) -> int:
    return max(1, round(shape[0] * shape[1] * per_megapixel / 1e6))


def _tint(rng: np.random.Generator, bright: float = 0.7) -> float:
    return float(rng.uniform(215, 255) if _happens(rng, bright) else rng.uniform(0, 40))


def _bent(
    start: npt.NDArray[np.float64],
    angle: float,
    length: float,
    bend: float,
    rng: np.random.Generator,
    *,
    step: float = 12.0,
) -> npt.NDArray[np.float64]:
    """Return the points of a line that begins there and turns a little at each step."""
    points = [start]
    for _ in range(max(1, round(length / step))):
        angle += float(rng.normal(0, bend))
        points.append(points[-1] + step * np.array([np.cos(angle), np.sin(angle)]))
    return np.array(points)


def _line(
    stroke: npt.NDArray[np.float32],
    start: npt.NDArray[np.float64],
    end: npt.NDArray[np.float64],
    broad: float,
) -> None:
    """Draw a line of any width, to a part of a pixel."""
    along = (end - start) / max(1e-6, float(np.hypot(*(end - start))))
    side = np.array([-along[1], along[0]]) * broad / 2
    corners = np.array([start + side, end + side, end - side, start - side]) - 0.5
    fixed = np.rint(corners * _PART * 4).astype(np.int32)
    left, top = np.maximum(fixed.min(axis=0) // (_PART * 4) - 2, 0)
    right, bottom = fixed.max(axis=0) // (_PART * 4) + 3
    if right <= left or bottom <= top:
        return
    window = (slice(top, bottom), slice(left, right))
    part = stroke[window]
    if not part.size:
        return
    # Drawn four times as large and reduced, so that thin lines have soft edges.
    large = np.zeros((part.shape[0] * 4, part.shape[1] * 4), np.float32)
    shifted = fixed - np.array([left, top]) * _PART * 4
    cv2.fillPoly(large, [shifted], 1.0, cv2.LINE_8, _PART_BITS)
    reduced = cv2.resize(large, (part.shape[1], part.shape[0]), interpolation=cv2.INTER_AREA)
    np.maximum(part, reduced, out=part)


def _lay(
    cover: npt.NDArray[np.float32],
    tone: npt.NDArray[np.float32],
    stroke: npt.NDArray[np.float32],
    tint: float,
) -> None:
    tone[stroke > cover] = tint
    np.maximum(cover, stroke, out=cover)


def _shading(cover: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return what light does to bent paper: brighter and darker beside the crack."""
    soft = cv2.GaussianBlur(cover, (0, 0), 12)
    shade: npt.NDArray[np.float32] = 1 - 0.4 * soft
    return shade
