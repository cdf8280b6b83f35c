"""What fading took from a print, and how it is given back.

A faded print has lost its ends: black has become a tinted grey and white the colour of old paper.
Where both ends lie is read off each channel; then all is stretched back in CIELAB, whose lightness
is even to the eye, so that a step keeps its look wherever it lies (CIE 15:2004, clause 8.2.1;
sRGB by IEC 61966-2-1; D65; OpenCV's conversions). Values are taken as sRGB whatever the profile
says: stretching needs an order of tones, not exact colours.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from processors.engine.shown import as_rgb

Floats = npt.NDArray[np.float32]

_SAMPLES = 1_000_000
_TAILS = (0.1, 99.9)
_FLAT = 5.0
_BLACK_LIFTED = (6.0, 14.0)
_WHITE_LOST = (4.0, 9.0)
_MOST_GAIN = 4.0
_MOST_CAST = 40.0
_FULL_SPREAD = 22.0
_MOST_CONTRAST = 1.5
_GAMUT_STEPS = 6
_END = 0.5 / 255
_INSIDE = 1 / 255
_COLOURLESS = 0.3


@dataclass(frozen=True, slots=True)
class Fading:
    """The ends of a picture's tones, and how sure it is that they have moved.

    `black` and `white` are (L*, a*, b*); `certainty` is 0 for a picture that still has its
    black or its white, and 1 for one that has clearly lost both; `mean` and `spread` are those
    of L* once the ends are back in place.
    """

    black: tuple[float, float, float]
    white: tuple[float, float, float]
    certainty: float
    mean: float
    spread: float


@dataclass(frozen=True, slots=True)
class Revival:
    """How much of each correction to make, 0 to 1."""

    levels: float
    white_balance: float
    contrast: float


def measure_fading(pixels: npt.NDArray[np.uint8], shown: npt.NDArray[np.bool_] | None) -> Fading:
    """Return how `pixels`, (H, W, 1) or (H, W, 3), are faded.

    Only where `shown`, bool (H, W), is true counts; None means everywhere. One in a thousand of
    each channel's values may lie beyond either end.
    """
    step = max(1, int(np.ceil(np.sqrt(pixels.shape[0] * pixels.shape[1] / _SAMPLES))))
    sample = pixels[::step, ::step]
    values = sample.reshape(-1, pixels.shape[2])
    if shown is not None:
        values = values[shown[::step, ::step].reshape(-1)]
    if not len(values):
        return Fading((0, 0, 0), (100, 0, 0), 0.0, 50.0, _FULL_SPREAD)
    ends = np.percentile(values, _TAILS, axis=0)
    black, white = (_one_colour(end) for end in ends)
    span = white[0] - black[0]
    certainty = 0.0 if span < _FLAT else _certainty(black, white)
    lightness = to_lab(values[:, np.newaxis])[..., 0]
    placed = np.clip((lightness - black[0]) * (100 / max(span, _FLAT)), 0, 100)
    return Fading(black, white, certainty, float(placed.mean()), float(placed.std()))


def revive(pixels: npt.NDArray[np.uint8], fading: Fading, revival: Revival) -> Floats:
    """Return `pixels`, (H, W, 1) or (H, W, 3), with their tones given back, as values 0 to 255.

    Tones keep their order; grey stays grey. Colours that sRGB does not hold are made paler until
    it does.
    """
    lab = to_lab(pixels)
    lightness, colours = lab[..., 0], lab[..., 1:]
    black, white = np.array((fading.black, fading.white), np.float32)
    along = np.clip((lightness - black[0]) / max(_FLAT, white[0] - black[0]), 0, 1)[..., None]
    cast = _bounded(black[1:]) * (1 - along) + _bounded(white[1:]) * along
    colours = colours - cast * np.float32(revival.white_balance * fading.certainty)
    part = revival.levels * fading.certainty
    low, high = part * fading.black[0], 100 - part * (100 - fading.white[0])
    gain = min(_MOST_GAIN, 100 / max(_FLAT, high - low))
    centre, half = (low + high) / 2, (high - low) * gain / 2
    target = min(100 - half, max(half, centre))
    lightness = np.clip((lightness - np.float32(centre)) * np.float32(gain) + target, 0, 100)
    lightness = _steeper(lightness, fading, revival.contrast * fading.certainty)
    if pixels.shape[2] == 1:
        colours = np.zeros_like(colours)
    revived = np.dstack([lightness, colours * np.float32(gain)]).astype(np.float32)
    return _encoded(revived)[..., : pixels.shape[2]] * np.float32(255)


def to_lab(pixels: npt.NDArray[np.uint8]) -> Floats:
    """Return CIELAB of sRGB `pixels`, (H, W, 1) or (H, W, 3), as float32 (H, W, 3)."""
    lab: Floats = cv2.cvtColor(as_rgb(pixels).astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return lab


def _one_colour(values: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    rgb = np.broadcast_to(values.astype(np.float32) / 255, (1, 1, 3))
    lightness, a, b = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2LAB)[0, 0]
    return float(lightness), float(a), float(b)


def _certainty(black: tuple[float, float, float], white: tuple[float, float, float]) -> float:
    """Return how sure it is that both ends have moved: a dark or a bright picture keeps one."""
    yellowed = max(100 - white[0], float(np.hypot(white[1], white[2])))
    return _rise(black[0], _BLACK_LIFTED) * _rise(yellowed, _WHITE_LOST)


def _bounded(cast: Floats) -> Floats:
    """Return a cast no stronger than old paper has; more is the picture's own colour."""
    strength = float(np.hypot(*cast))
    return cast * np.float32(min(1.0, _MOST_CAST / strength)) if strength else cast


def _steeper(lightness: Floats, fading: Fading, strength: float) -> Floats:
    """Return `lightness` spread about its mean where it is bunched there, its ends in place.

    The curve is t + k·t·(1-t)·(t-m)·c, rising everywhere for the k that are used.
    """
    wanted = min(_MOST_CONTRAST, max(1.0, _FULL_SPREAD / max(fading.spread, 1.0))) - 1
    if not strength or not wanted:
        return lightness
    tone, mean = lightness / 100, np.float32(min(0.75, max(0.25, fading.mean / 100)))
    push = np.float32(2 * strength * wanted)
    return np.clip(100 * (tone + push * tone * (1 - tone) * (tone - mean)), 0, 100)


def _encoded(lab: Floats) -> Floats:
    """Return sRGB, 0 to 1; colours at its bounds or beyond are made paler, at their lightness.

    So a channel loses its steps only where the lightness does.
    """
    rgb: Floats = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
    beyond = ((rgb < _END) | (rgb > 1 - _END)).any(axis=2)
    if beyond.any():
        rgb[beyond] = _paler(np.ascontiguousarray(lab[beyond][:, np.newaxis]))[:, 0]
    # What has no colour is given none by rounding.
    neutral = (np.abs(lab[..., 1:]) < _COLOURLESS).all(axis=2)
    rgb[neutral] = rgb[neutral][:, 1:2]
    return np.clip(rgb, 0, 1)


def _paler(lab: Floats) -> Floats:
    kept = np.zeros(lab.shape[:2], np.float32)
    for halving in range(1, _GAMUT_STEPS + 1):
        tried = kept + np.float32(0.5**halving)
        rgb = cv2.cvtColor(_scaled(lab, tried), cv2.COLOR_LAB2RGB)
        inside = ((rgb >= _INSIDE) & (rgb <= 1 - _INSIDE)).all(axis=2)
        kept = np.where(inside, tried, kept)
    held: Floats = cv2.cvtColor(_scaled(lab, kept), cv2.COLOR_LAB2RGB)
    return held


def _scaled(lab: Floats, factor: Floats) -> Floats:
    return np.dstack([lab[..., :1], lab[..., 1:] * factor[..., np.newaxis]]).astype(np.float32)


def _rise(value: float, between: tuple[float, float]) -> float:
    """Return 0 up to the first bound, 1 from the second on, and a smooth rise between."""
    held = min(1.0, max(0.0, (value - between[0]) / (between[1] - between[0])))
    return held * held * (3 - 2 * held)
