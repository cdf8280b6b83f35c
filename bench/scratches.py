"""How much drawn damage the scratch detector finds, and how much else it takes for damage."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from bench.figures import Figure, show
from bench.old_prints import KINDS, damaged
from bench.pictures import DETAILS, PHOTOGRAPHS, photograph
from bench.scratch_fit import near
from processors.engine.scratch_mask import Judge, find_damage

_SEED = 11


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
) -> dict[str, float]:
    """Print and return precision and recall by kind over the pictures, pixels counted together."""
    sums = dict.fromkeys(["marked", "right", *KINDS, *(f"{kind} found" for kind in KINDS)], 0)
    for name in names:
        pixels = photograph(name)
        clean = found(pixels, by, sensitivity).mean()
        if name not in PHOTOGRAPHS:
            print(f"{name:22} clean {clean:.3%}", flush=True)
            continue
        old = damaged(pixels, _SEED + PHOTOGRAPHS.index(name))
        marks = found(old.pixels, by, sensitivity)
        truth = np.any(list(old.truth.values()), axis=0)
        own = {"marked": marks.sum(), "right": (marks & near(truth)).sum()}
        for kind in KINDS:
            own[kind] = old.truth[kind].sum()
            own[f"{kind} found"] = (old.truth[kind] & near(marks)).sum()
        for key, value in own.items():
            sums[key] += int(value)
        print(f"{name:22} clean {clean:.3%} {_shares(own)}", flush=True)
    shares = _shares(sums)
    print("together", shares, flush=True)
    return shares


def _shares(sums: Mapping[str, int]) -> dict[str, float]:
    shares = {"precision": sums["right"] / max(1, sums["marked"])}
    for kind in KINDS:
        shares[kind] = sums[f"{kind} found"] / max(1, sums[kind])
    whole = sum(sums[kind] for kind in KINDS)
    shares["recall"] = sum(sums[f"{kind} found"] for kind in KINDS) / max(1, whole)
    return {key: round(float(value), 3) for key, value in shares.items()}


def run() -> Iterator[Figure]:
    """Measure precision and recall at a sensitivity of 0.5; about two minutes on two cores."""
    shares = measure_all([*PHOTOGRAPHS, *DETAILS])
    for name, share in shares.items():
        case = name if name in {"precision", "recall"} else f"recall of {name}"
        yield Figure("scratches", f"{case}, pixels within 2", share, "share", 0.8, share / 0.8)


if __name__ == "__main__":
    show(run())
