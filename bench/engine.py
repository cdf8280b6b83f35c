"""`python -m bench.engine`: the engine beside other ways to run the same networks.

Seconds per input megapixel on one picture, with the same weights and threads, in pairs that take
turns; the ratio is the median over the pairs, below 1 where the engine is faster. Then peak
memory above the loaded network, each in a process of its own, and what share of the machine's
own rate of matrix multiplication the engine reaches. A case that would take over 60 s is left out
and named. With `--full`, every rival runs at every size; with `--quick`, one small case.
"""

import argparse
import functools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import cv2
import numpy as np
import torch
from skimage import data

from bench.engine_rivals import RIVALS, Pixels, by_tiles
from bench.figures import Figure, show
from processors.engine.colour import hold_colour
from processors.engine.device import DTYPES, use_threads
from processors.engine.tiled import Engine
from processors.models.manifest import Precision
from processors.models.registry import LoadedNetwork, Registry

LONGEST_S: Final = 60.0
_PAIR_S: Final = 5.0
_MOST_PAIRS: Final = 7
_PAUSE_S: Final = 0.2
_NAIVE: Final = "naive loop in torch fp32"
_OURS: Final = "picmend"

Size = tuple[int, int]
"""Width and height in pixels."""

HEAVY: Final[dict[str, tuple[Size, ...]]] = {
    "realesrgan-x4plus": ((128, 128), (256, 256)),
    "realesrgan-x4plus-anime": ((256, 256),),
}
LIGHT: Final[dict[str, tuple[Size, ...]]] = {
    **dict.fromkeys(
        ("realesr-animevideov3", "waifu2x-photo-x2"),
        ((256, 256), (512, 512), (1152, 864), (2304, 1728), (4000, 3000)),
    ),
    "waifu2x-cunet-denoise1": ((512, 512), (1152, 864)),
}
_RIVALS_UP_TO: Final = 1_000_000
"""Pixels past which only the naive loop runs beside the engine, unless all is asked for."""

_NAIVE_UP_TO: Final = 5_000_000
"""Pixels past which the engine runs alone, unless all is asked for."""

_MEMORY: Final[dict[str, tuple[Size, tuple[str, ...]]]] = {
    "realesrgan-x4plus": ((256, 256), (_OURS, *RIVALS)),
    "realesr-animevideov3": ((1152, 864), (_OURS, *RIVALS)),
    "waifu2x-photo-x2": ((1152, 864), (_OURS, _NAIVE)),
}
_LARGE: Final = ("realesr-animevideov3", (2304, 1728))
_MATRIX: Final = 2048


@dataclass(slots=True)
class Bench:
    """The engine, the networks, and what is known of their speed so far."""

    threads: int
    engine: Engine = field(default_factory=Engine)
    registry: Registry = field(default_factory=Registry)
    best: dict[tuple[str, str], float] = field(default_factory=dict)

    def compared(self, name: str, sizes: tuple[Size, ...], *, every: bool) -> Iterator[Figure]:
        """Measure one network against the rivals, from the smallest size to the largest."""
        network = self.registry.get(name)
        rivals = {rival: make(network, self.threads) for rival, make in RIVALS.items()}
        for size in sizes:
            pixels = photograph(size)
            for rival, run in rivals.items():
                if every or _belongs(rival, size):
                    other = functools.partial(by_tiles, run, pixels, network.entry.scale)
                    yield self._against(network, pixels, rival, other)
            if not every and size[0] * size[1] > _NAIVE_UP_TO:
                yield self._alone(network, pixels)

    def _against(
        self, network: LoadedNetwork, pixels: Pixels, rival: str, other: Callable[[], object]
    ) -> Figure:
        if self._expected_s(network, rival, pixels) > LONGEST_S:
            alone = self._alone(network, pixels)
            return replace(alone, case=f"{alone.case}; {rival} left out, over {LONGEST_S:.0f} s")
        ours = functools.partial(enlarge, self.engine, network, pixels)
        # openvino compiles in its first run; the others have no more to warm up than a small
        # picture did.
        if rival.startswith("openvino") or self._expected_s(network, rival, pixels) < _PAIR_S:
            other()
        if self._expected_s(network, _OURS, pixels) < _PAIR_S:
            ours()
        pairs = [(seconds(ours), seconds(other))]
        count = int(min(_MOST_PAIRS, _PAIR_S / sum(pairs[0])))
        pairs += [(seconds(ours), seconds(other)) for _ in range(count)]
        mine, theirs = (statistics.median(times) for times in zip(*pairs, strict=True))
        self._note(network, _OURS, pixels, mine)
        self._note(network, rival, pixels, theirs)
        return Figure(
            "engine",
            f"{_case(network, pixels)}, against {rival}",
            round(mine / _megapixels(pixels), 3),
            "s/input megapixel",
            against=round(theirs / _megapixels(pixels), 3),
            ratio=round(statistics.median(one / two for one, two in pairs), 3),
        )

    def _alone(self, network: LoadedNetwork, pixels: Pixels) -> Figure:
        case = f"{_case(network, pixels)}, alone"
        if self._expected_s(network, _OURS, pixels) > LONGEST_S:
            return Figure("engine", f"{case}: left out, over {LONGEST_S:.0f} s", 0.0, "")
        took = seconds(functools.partial(enlarge, self.engine, network, pixels))
        self._note(network, _OURS, pixels, took)
        return Figure("engine", case, round(took / _megapixels(pixels), 3), "s/input megapixel")

    def _expected_s(self, network: LoadedNetwork, who: str, pixels: Pixels) -> float:
        """Return what it should take by what was measured so far; 0 before anything was."""
        return self.best.get((network.entry.name, who), 0.0) * _megapixels(pixels)

    def _note(self, network: LoadedNetwork, who: str, pixels: Pixels, took: float) -> None:
        key, rate = (network.entry.name, who), took / _megapixels(pixels)
        self.best[key] = min(rate, self.best.get(key, rate))

    def shares(self) -> Iterator[Figure]:
        """Set each network's quickest pair against the rate of matrix multiplication."""
        rates = {
            precision: matmul_rate(precision) for precision in (Precision.FP32, Precision.BF16)
        }
        for precision, rate in rates.items():
            yield Figure("engine", f"matrix multiplication in {precision}", round(rate), "GFLOP/s")
        for (name, who), best in self.best.items():
            entry = self.registry.get(name).entry
            precision = self.engine.device.precision_of(entry)
            if who == _OURS and precision in rates:
                yield Figure(
                    "engine",
                    f"{name}, share of matrix multiplication in {precision}",
                    round(entry.gflop / best),
                    "GFLOP/s",
                    against=round(rates[precision]),
                    ratio=round(entry.gflop / best / rates[precision], 3),
                )


def _belongs(rival: str, size: Size) -> bool:
    """Tell whether the default run measures that rival at that size."""
    return size[0] * size[1] <= (_NAIVE_UP_TO if rival == _NAIVE else _RIVALS_UP_TO)


def _case(network: LoadedNetwork, pixels: Pixels) -> str:
    return f"{network.entry.name}, {pixels.shape[1]}x{pixels.shape[0]}"


def _megapixels(pixels: Pixels) -> float:
    height, width, _ = pixels.shape
    return float(height * width / 1e6)


def photograph(size: Size) -> Pixels:
    """Return a photograph of that size, one of 512 x 512 enlarged or cut."""
    width, height = size
    whole = data.astronaut()
    if max(size) <= whole.shape[0]:
        return np.ascontiguousarray(whole[:height, -width:])
    enlarged: Pixels = cv2.resize(whole, size, interpolation=cv2.INTER_CUBIC)
    return enlarged


def enlarge(engine: Engine, network: LoadedNetwork, pixels: Pixels) -> Pixels:
    """Run the network by the engine, telling nobody."""
    return engine.enlarge(
        network, pixels, progress=lambda *_: None, should_stop=lambda: False
    ).pixels


def seconds(work: Callable[[], object]) -> float:
    """Return what it takes; before it is a pause, for threads of others to stop spinning."""
    time.sleep(_PAUSE_S)
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def matmul_rate(precision: Precision) -> float:
    """Return the best of ten products of 2048 x 2048, in GFLOP/s."""
    one = torch.rand(_MATRIX, _MATRIX).to(DTYPES[precision])
    best = min(seconds(lambda: one @ one) for _ in range(10))
    return float(2 * _MATRIX**3 / best / 1e9)


def memory(threads: int) -> Iterator[Figure]:
    """Measure peaks of resident memory above the loaded network, each in its own process."""
    for name, (size, engines) in _MEMORY.items():
        peaks = {engine: _peak_in_child(engine, name, size, threads) for engine in engines}
        for engine, peak in peaks.items():
            yield Figure(
                "engine",
                f"{name}, {size[0]}x{size[1]}, peak memory of {engine}",
                peak,
                "MB above the loaded network",
                against=peaks[_OURS] if engine != _OURS else None,
            )
    name, size = _LARGE
    yield Figure(
        "engine",
        f"{name}, {size[0]}x{size[1]} to 64 megapixels with its colours held, peak memory",
        _peak_in_child(_OURS, name, size, threads),
        "MB above the loaded network",
        against=1500,
    )


def _peak_in_child(engine: str, name: str, size: Size, threads: int) -> float:
    order = json.dumps({"engine": engine, "name": name, "size": size, "threads": threads})
    child = subprocess.run(  # noqa: S603 (this file)
        [sys.executable, "-m", "bench.engine", "--peak", order],
        check=True,
        capture_output=True,
        text=True,
    )
    return float(child.stdout.split()[-1])


def _print_peak(order: str) -> None:
    """Print by how many MB this process's memory grows while it enlarges one picture."""
    asked = json.loads(order)
    use_threads(asked["threads"])
    network = Registry().get(asked["name"])
    pixels, small = photograph(tuple(asked["size"])), photograph((32, 32))
    scale = network.entry.scale
    work: Callable[[Pixels], object]
    if asked["engine"] == _OURS:
        engine = Engine()

        def work(pixels: Pixels) -> object:
            return hold_colour(enlarge(engine, network, pixels), pixels, scale)
    else:
        run = RIVALS[asked["engine"]](network, asked["threads"])

        def work(pixels: Pixels) -> object:
            return by_tiles(run, pixels, scale)

    work(small)
    before = _resident_mb("VmRSS")
    work(pixels)
    print(round(_resident_mb("VmHWM") - before))


def _resident_mb(which: str) -> float:
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 (no file of ours)
        line = next(line for line in status if line.startswith(which))
    return int(line.split()[1]) / 1024


def run(*, every: bool = False, quick: bool = False) -> Iterator[Figure]:
    """Measure all of it, or one small case if `quick`."""
    threads = os.cpu_count() or 1
    use_threads(threads)
    bench = Bench(threads)
    if quick:
        yield from bench.compared("realesr-animevideov3", ((64, 64),), every=True)
        return
    for name, sizes in (HEAVY | LIGHT).items():
        yield from bench.compared(name, sizes, every=every)
    yield from bench.shares()
    yield from memory(threads)


def main() -> None:
    """Print each figure as one JSON line, then all of them as a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description=__doc__)
    parser.add_argument("--full", action="store_true", help="every rival at every size")
    parser.add_argument("--quick", action="store_true", help="one small case")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak:
        _print_peak(arguments.peak)
    else:
        show(run(every=arguments.full, quick=arguments.quick))


if __name__ == "__main__":
    main()
