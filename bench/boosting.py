"""Fits the trees of a judge: gradient boosting of the log-odds, by histograms."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from processors.engine.judge import Judge

_TREES, _DEPTH = 300, 4
_RATE = 0.1
_BINS = 48
_SOME_CANDIDATES, _SOME_MEASURES = 0.5, 0.4
"""Each tree learns from that share, so that they are not all alike."""
_HELD = 0.5 / 2000
"""What holds a leaf near 0, in shares of all candidates."""
_SURVEYED = 20_000

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """The candidates that a tree learns from: their bins, slopes and bends of the loss."""

    bins: npt.NDArray[np.int64]
    slope: Floats
    bend: Floats
    held: float


def boosted(measures: Floats, truth: Floats, weight: Floats, seed: int = 1) -> Judge:
    """Return a judge of candidates, (count, measures), whose truth is 0 or 1; deterministic."""
    rng = np.random.default_rng(seed)
    count, width = measures.shape
    surveyed = measures[rng.permutation(count)[:_SURVEYED]]
    edges = np.quantile(surveyed, np.linspace(0, 1, _BINS + 1)[1:-1], axis=0).T
    edges = np.array([[float(f"{edge:.6g}") for edge in own] for own in edges])
    bins = np.stack(
        [np.searchsorted(own, measures[:, j], side="right") for j, own in enumerate(edges)], axis=1
    )
    weight = weight / weight.mean()
    constant = float(np.log((weight @ truth) / (weight @ (1 - truth))))
    odds = np.full(count, constant)
    asked, levels, leaves = [], [], []
    for _ in range(_TREES):
        chance = 1 / (1 + np.exp(-odds))
        slope, bend = weight * (truth - chance), weight * chance * (1 - chance)
        some = np.flatnonzero(rng.random(count) < _SOME_CANDIDATES)
        sample = _Sample(bins[some], slope[some], bend[some], _HELD * count)
        questions = _questions(sample, rng.permutation(width)[: round(width * _SOME_MEASURES)])
        values = _RATE * _values(sample, questions)
        odds += values[_place(bins, questions)]
        asked.append([measure for measure, _ in questions])
        levels.append([edges[measure, level] for measure, level in questions])
        leaves.append(values)
    return Judge(constant, np.array(asked), np.array(levels), np.array(leaves))


def _questions(sample: _Sample, measures: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return the questions, a measure and a bin, that together lessen the loss most, in turn."""
    questions: list[tuple[int, int]] = []
    for _ in range(_DEPTH):
        place = _place(sample.bins, questions)
        leaves = 1 << len(questions)
        best, question = -1.0, (0, 0)
        for measure in measures:
            cell = place * _BINS + sample.bins[:, measure]
            slope, bend = (
                np.bincount(cell, part, leaves * _BINS).reshape(leaves, _BINS).cumsum(axis=1)
                for part in (sample.slope, sample.bend)
            )
            below = slope**2 / (bend + sample.held)
            above = (slope[:, -1:] - slope) ** 2 / (bend[:, -1:] - bend + sample.held)
            gains = (below + above).sum(axis=0)[:-1]
            if gains.max() > best:
                best, question = float(gains.max()), (int(measure), int(gains.argmax()))
        questions.append(question)
    return questions


def _values(sample: _Sample, questions: list[tuple[int, int]]) -> Floats:
    place = _place(sample.bins, questions)
    slope, bend = (
        np.bincount(place, part, 1 << len(questions)) for part in (sample.slope, sample.bend)
    )
    values: Floats = slope / (bend + sample.held)
    return values


def _place(bins: npt.NDArray[np.int64], questions: list[tuple[int, int]]) -> npt.NDArray[np.int64]:
    """Return which leaf each candidate comes to; the first answer is the highest bit."""
    place = np.zeros(len(bins), np.int64)
    for measure, level in questions:
        place = place * 2 + (bins[:, measure] > level)
    return place
