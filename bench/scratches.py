"""How much drawn damage the scratch detector finds, and how much else it takes for damage."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from bench import clean_pictures
from bench.clean_pictures import clean_picture
from bench.figures import Figure, show
from bench.old_prints import KINDS, damaged
from bench.pictures import DETAILS, PHOTOGRAPHS, photograph
from bench.scratch_fit import near
from processors.engine.judge import Judge
from processors.engine.scratch_mask import find_damage

_SEED = 11
_DRAWN_SEEDS = range(40, 44)


def found(
    pixels: npt.NDArray[np.uint8], by: Mapping[str, Judge] | None = None, sensitivity: float = 0.5
) -> npt.NDArray[np.bool_]:
    """Return where damage is found, bool (H, W)."""
    return find_damage(
        pixels,
        None,
        sensitivity,
        progress=lambda _done, _total: None,
        should_stop=lambda: False,
        by=by,
    )


def measure_all(
    names: Sequence[str], by: Mapping[str, Judge] | None = None, sensitivity: float = 0.5
) -> dict[str, int]:
    """Print what is found in each picture, and return counts of pixels, summed over them.

    Of photographs precision and recall by kind are told, of these and of the rest what is marked
    of them clean. A name of `clean_pictures.KINDS` stands for drawn pictures of that kind.
    """
    sums = dict.fromkeys(["marked", "right", *KINDS, *(f"{kind} found" for kind in KINDS)], 0)
    for name in names:
        if name in clean_pictures.KINDS:
            drawn = [clean_picture(name, seed) for seed in _DRAWN_SEEDS]
            shares = [float(found(pixels, by, sensitivity).mean()) for pixels in drawn]
            print(f"{name:22} clean {np.mean(shares):.3%}, at most {max(shares):.3%}", flush=True)
            continue
        pixels = photograph(name)
        clean = found(pixels, by, sensitivity).mean()
        if name not in PHOTOGRAPHS:
            print(f"{name:22} clean {clean:.3%}", flush=True)
            continue
        own = _counted(pixels, _SEED + PHOTOGRAPHS.index(name), by, sensitivity)
        sums = total([sums, own])
        print(f"{name:22} clean {clean:.3%} {shares_of(own)}", flush=True)
    return sums


def total(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Return the sum of counts, key by key."""
    return {key: sum(own[key] for own in counts) for key in counts[0]}


def _counted(
    pixels: npt.NDArray[np.uint8], seed: int, by: Mapping[str, Judge] | None, sensitivity: float
) -> dict[str, int]:
    old = damaged(pixels, seed)
    marks = found(old.pixels, by, sensitivity)
    truth = np.any(list(old.truth.values()), axis=0)
    own = {"marked": int(marks.sum()), "right": int((marks & near(truth)).sum())}
    for kind in KINDS:
        own[kind] = int(old.truth[kind].sum())
        own[f"{kind} found"] = int((old.truth[kind] & near(marks)).sum())
    return own


def shares_of(sums: Mapping[str, int]) -> dict[str, float]:
    """Return precision, and recall by kind and in all."""
    shares = {"precision": sums["right"] / max(1, sums["marked"])}
    for kind in KINDS:
        shares[kind] = sums[f"{kind} found"] / max(1, sums[kind])
    whole = sum(sums[kind] for kind in KINDS)
    shares["recall"] = sum(sums[f"{kind} found"] for kind in KINDS) / max(1, whole)
    return {key: round(float(value), 3) for key, value in shares.items()}


def run() -> Iterator[Figure]:
    """Measure precision and recall at a sensitivity of 0.5; about a minute on one core."""
    shares = shares_of(measure_all([*PHOTOGRAPHS, *DETAILS]))
    for name, share in shares.items():
        case = name if name in {"precision", "recall"} else f"recall of {name}"
        yield Figure("scratches", f"{case}, pixels within 2", share, "share", 0.8, share / 0.8)


if __name__ == "__main__":
    show(run())
