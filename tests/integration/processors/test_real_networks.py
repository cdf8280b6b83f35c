"""The shipped networks give what ncnn gives, in tiles as in one piece."""

import importlib.metadata

import ncnn
import numpy as np
import numpy.typing as npt
import pytest
import torch
from skimage import data
from torch.utils.flop_counter import FlopCounterMode

from processors.engine.device import Device, choose_device
from processors.engine.placed import Placed
from processors.engine.tiled import Engine
from processors.models.manifest import (
    NETWORKS,
    Architecture,
    NcnnModel,
    NetworkEntry,
    Precision,
    WeightFile,
)
from processors.models.registry import LoadedNetwork, Registry, built

NAMES = [entry.name for entry in NETWORKS]
LIGHT = ["realesr-animevideov3-x2", "realesr-animevideov3-x3", "waifu2x-photo-x2"] + [
    f"waifu2x-cunet-denoise{strength}" for strength in (0, 3)
]
HEAVY_GFLOP = 10_000
AROUND = {Architecture.UPCONV_7: 7, Architecture.CUNET: 28}
PHOTOGRAPHS = {
    "astronaut": data.astronaut()[40:88, 180:220],
    "chelsea": data.chelsea()[100:148, 150:190],
}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry()


@pytest.fixture(scope="module")
def engine() -> Engine:
    """Return the engine that this machine's users get."""
    return Engine()


@pytest.fixture(scope="module")
def exact() -> Engine:
    """Return the same one in fp32."""
    return Engine(choose_device("fp32"))


def psnr(a: npt.NDArray[np.generic], b: npt.NDArray[np.generic], peak: float) -> float:
    error = float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))
    return float("inf") if error == 0 else 10 * float(np.log10(peak * peak / error))


def by_ncnn(registry: Registry, name: str, picture: npt.NDArray[np.float32]) -> object:
    """Run the network as ncnn's users do: waifu2x's want the edge to be repeated around them."""
    entry = registry.get(name).entry
    assert isinstance(entry.source, NcnnModel)
    distribution = importlib.metadata.distribution(entry.source.distribution)

    def path(file: WeightFile) -> str:
        return str(distribution.locate_file(file.path))

    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    net.opt.num_threads = 2
    assert net.load_param(path(entry.source.param)) == 0
    assert net.load_model(path(entry.source.weights)) == 0
    extractor = net.create_extractor()
    around = AROUND.get(entry.architecture, 0)
    padded = np.pad(picture, ((around, around), (around, around), (0, 0)), mode="edge")
    # ncnn borrows the array's memory, which therefore has a name here.
    planes = np.ascontiguousarray(padded.transpose(2, 0, 1))
    extractor.input("Input1" if around else "data", ncnn.Mat(planes))
    code, output = extractor.extract("Eltwise4" if around else "output")
    assert code == 0
    return np.array(output).transpose(1, 2, 0)


@pytest.mark.parametrize("photograph", PHOTOGRAPHS)
@pytest.mark.parametrize("name", NAMES)
def test_a_network_equals_ncnn_on_the_same_weights(
    registry: Registry, name: str, photograph: str
) -> None:
    picture = PHOTOGRAPHS[photograph].astype(np.float32) / 255

    with torch.inference_mode():
        tensor = torch.from_numpy(picture).permute(2, 0, 1).unsqueeze(0)
        ours = registry.get(name).module(tensor).squeeze(0).permute(1, 2, 0).numpy()

    theirs = np.asarray(by_ncnn(registry, name, picture))
    scale = registry.get(name).entry.scale
    assert theirs.shape == ours.shape == (48 * scale, 40 * scale, 3)
    assert psnr(ours, theirs, 1.0) >= 100


@pytest.mark.parametrize("name", NAMES)
def test_the_engine_s_pixels_equal_ncnn_s(registry: Registry, exact: Engine, name: str) -> None:
    pixels = PHOTOGRAPHS["astronaut"]

    ours = enlarged(exact, registry.get(name), pixels)

    theirs = np.asarray(by_ncnn(registry, name, pixels.astype(np.float32) / 255))
    levels = np.clip(np.rint(theirs * 255), 0, 255).astype(np.uint8)
    assert psnr(ours, levels, 255) >= 60


@pytest.mark.parametrize("name", NAMES)
def test_tiles_equal_the_whole(registry: Registry, engine: Engine, name: str) -> None:
    network = registry.get(name)
    overlap, scale = network.entry.overlap, network.entry.scale
    # Wide enough that the second tile does not see the whole picture.
    pixels = np.ascontiguousarray(data.chelsea()[100:148, 60 : 60 + 4 * overlap])

    whole, tiled = (enlarged(engine, network, pixels, tile) for tile in (1000, overlap))

    assert psnr(whole, tiled, 255) >= 50
    seam = slice((2 * overlap - 4) * scale, (2 * overlap + 4) * scale)
    assert psnr(whole[:, seam], tiled[:, seam], 255) >= 45


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (513, 129)])
@pytest.mark.parametrize("name", NAMES)
def test_sizes_that_divide_badly_are_restored_whole(
    registry: Registry, engine: Engine, name: str, size: tuple[int, int]
) -> None:
    network = registry.get(name)
    height, width = size
    pixels = np.ascontiguousarray(data.astronaut().reshape(-1, 256, 3)[:height, :width])

    # The heavy networks have the widest overlaps, too, which small tiles would be mostly made of.
    side = 100 if network.entry.gflop < HEAVY_GFLOP else 260
    whole, tiled = (enlarged(engine, network, pixels, tile) for tile in (1000, side))

    assert whole.shape == (height * network.entry.scale, width * network.entry.scale, 3)
    assert psnr(whole, tiled, 255) >= 50


@pytest.mark.parametrize("precision", [Precision.BF16, Precision.FP16])
@pytest.mark.parametrize("name", LIGHT)
def test_half_precision_stays_within_50_db(
    registry: Registry, name: str, precision: Precision
) -> None:
    network = registry.get(name)
    assert precision in network.entry.precisions
    picture = torch.from_numpy(data.astronaut()[100:164, 180:244]).float().div_(255)
    tensor = picture.permute(2, 0, 1).unsqueeze(0)

    def by(chosen: Precision) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            output = Placed(network.module, Device("cpu", chosen)).run(tensor, lambda: None)
        values: npt.NDArray[np.float32] = output.float().numpy()
        return values

    assert psnr(by(precision), by(Precision.FP32), 1.0) >= 50


def test_tiles_of_a_noisy_photograph_are_weighed_alike(registry: Registry, exact: Engine) -> None:
    noise = np.random.default_rng(5).normal(0, 25, (200, 200, 3))
    pixels = np.clip(data.astronaut()[:200, :200] + noise, 0, 255).astype(np.uint8)
    network = registry.get("waifu2x-cunet-denoise3")

    whole, tiled = (enlarged(exact, network, pixels, tile) for tile in (1000, 64))

    assert psnr(whole, tiled, 255) >= 60


@pytest.mark.parametrize("entry", NETWORKS, ids=lambda entry: entry.name)
def test_the_manifest_s_cost_is_what_torch_counts(entry: NetworkEntry) -> None:
    # On the meta device shapes are computed and nothing else.
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        built(entry)(torch.zeros(1, 3, 256, 256))

    gflop = counter.get_total_flops() / (256 * 256) / 1000
    assert gflop == pytest.approx(entry.gflop, rel=0.001)


def enlarged(
    engine: Engine,
    network: LoadedNetwork,
    pixels: npt.NDArray[np.uint8],
    tile: int | None = None,
) -> npt.NDArray[np.uint8]:
    return engine.enlarge(
        network, pixels, progress=lambda *_: None, should_stop=lambda: False, tile=tile
    ).pixels
