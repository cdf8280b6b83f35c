"""Seconds per input megapixel of each network, against ncnn on the same weights.

Both run on the same picture with the same number of threads, in turn, several rounds in one
process, with a pause before each, for idle threads of the other to stop spinning. A figure is
the quickest of its rounds, the one that other load on the machine disturbed least.
"""

import importlib.metadata
import os
import time
from collections.abc import Callable, Iterator

import ncnn
import numpy as np
import numpy.typing as npt
from skimage import data

from bench.figures import Figure, show
from processors.engine.device import CPU, use_threads
from processors.engine.tiled import Engine
from processors.models.manifest import NETWORKS, NcnnModel
from processors.models.registry import LoadedNetwork, Registry

_SIDE = 128
_PAUSE_S = 0.3
_ROUNDS = {"realesr-animevideov3": 15, "realesrgan-x4plus-anime": 7, "realesrgan-x4plus": 5}


def run(threads: int | None = None) -> Iterator[Figure]:
    """Measure each network in turn on a 128 x 128 photograph; about a minute on two cores."""
    threads = threads or os.cpu_count() or 1
    use_threads(threads)
    registry, engine = Registry(), Engine(CPU)
    pixels = np.ascontiguousarray(data.astronaut()[20 : 20 + _SIDE, 150 : 150 + _SIDE])
    megapixels = _SIDE * _SIDE / 1e6
    for entry in (entry for entry in NETWORKS if entry.name in _ROUNDS):
        network = registry.get(entry.name)
        ours, theirs = _quickest(
            _by_engine(engine, network, pixels),
            _by_ncnn(network, pixels, threads),
            _ROUNDS[entry.name],
        )
        yield Figure(
            bench="upscale",
            case=f"{entry.name}, {_SIDE}x{_SIDE}, {threads} threads, cpu fp32, against ncnn",
            value=round(ours / megapixels, 3),
            unit="s/input megapixel",
            against=round(theirs / megapixels, 3),
            ratio=round(ours / theirs, 3),
        )


def _by_engine(
    engine: Engine, network: LoadedNetwork, pixels: npt.NDArray[np.uint8]
) -> Callable[[], None]:
    def enlarge() -> None:
        engine.enlarge(network, pixels, progress=lambda *_: None, should_stop=lambda: False)

    return enlarge


def _by_ncnn(
    network: LoadedNetwork, pixels: npt.NDArray[np.uint8], threads: int
) -> Callable[[], None]:
    entry = network.entry
    source = entry.source
    if not isinstance(source, NcnnModel):
        raise TypeError(f"{entry.name} has no weights for ncnn")
    distribution = importlib.metadata.distribution(source.distribution)
    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    net.opt.num_threads = threads
    net.load_param(str(distribution.locate_file(source.param.path)))
    net.load_model(str(distribution.locate_file(source.weights.path)))

    def enlarge() -> None:
        planes = np.ascontiguousarray((pixels.astype(np.float32) / 255).transpose(2, 0, 1))
        extractor = net.create_extractor()
        extractor.input("data", ncnn.Mat(planes))
        _, output = extractor.extract("output")
        np.clip(np.rint(np.array(output) * 255), 0, 255).astype(np.uint8).transpose(1, 2, 0)

    return enlarge


def _quickest(
    ours: Callable[[], None], theirs: Callable[[], None], rounds: int
) -> tuple[float, float]:
    ours()
    theirs()
    times = [(_seconds(ours), _seconds(theirs)) for _ in range(rounds)]
    return min(mine for mine, _ in times), min(other for _, other in times)


def _seconds(work: Callable[[], None]) -> float:
    time.sleep(_PAUSE_S)
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Print each figure as one JSON line, then all of them as a table."""
    show(run())


if __name__ == "__main__":
    main()
