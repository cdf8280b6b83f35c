"""What the engine is measured against: other ways to run the same weights on the same picture.

Each runs a tile of fp32 (1, 3, H, W) in 0..1 and returns (1, 3, scale·H, scale·W). A picture is
cut for all of them as upstream's script does it: tiles of 256, 10 pixels around each, one after
another.
"""

import importlib.metadata
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Final

import ncnn
import numpy as np
import numpy.typing as npt
import torch

from processors.models.manifest import Architecture, NcnnModel, NetworkEntry
from processors.models.registry import LoadedNetwork

# openvino tells its maker of each import, except where it believes to be in a CI run.
os.environ.setdefault("CI", "true")

import onnxruntime
import openvino

Pixels = npt.NDArray[np.uint8]
Planes = npt.NDArray[np.float32]
RunTile = Callable[[Planes], Planes]

_TILE: Final = 256
_AROUND: Final = 10
_USED_UP: Final = {Architecture.UPCONV_7: 7, Architecture.CUNET: 28}
"""Pixels that waifu2x's networks use up on each side, and their ncnn files do not add."""


def by_tiles(run: RunTile, pixels: Pixels, scale: int) -> Pixels:
    """Enlarge `pixels`, (H, W, 3), by upstream's loop: float in, float out, rounded at the end."""
    picture = np.ascontiguousarray((pixels.astype(np.float32) / 255).transpose(2, 0, 1))[None]
    height, width, _ = pixels.shape
    output = np.empty((1, 3, height * scale, width * scale), np.float32)
    for top in range(0, height, _TILE):
        for left in range(0, width, _TILE):
            bottom, right = min(top + _TILE, height), min(left + _TILE, width)
            up, back = max(top - _AROUND, 0), max(left - _AROUND, 0)
            tile = picture[:, :, up : bottom + _AROUND, back : right + _AROUND]
            enlarged = run(np.ascontiguousarray(tile))
            output[:, :, top * scale : bottom * scale, left * scale : right * scale] = enlarged[
                :,
                :,
                (top - up) * scale : (bottom - up) * scale,
                (left - back) * scale : (right - back) * scale,
            ]
    levels = np.clip(np.rint(output[0] * 255), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(levels.transpose(1, 2, 0))


def by_torch(network: LoadedNetwork, _threads: int) -> RunTile:
    """Torch in eager mode and fp32."""

    def run(tile: Planes) -> Planes:
        with torch.no_grad():
            output: Planes = network.module(torch.from_numpy(tile)).numpy()
        return output

    return run


def by_ncnn(network: LoadedNetwork, threads: int) -> RunTile:
    """Use ncnn on the CPU, as it comes."""
    entry = network.entry
    if not isinstance(entry.source, NcnnModel):
        raise TypeError(f"{entry.name} does not come in ncnn's format")
    distribution = importlib.metadata.distribution(entry.source.distribution)
    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    net.opt.num_threads = threads
    net.load_param(str(distribution.locate_file(entry.source.param.path)))
    net.load_model(str(distribution.locate_file(entry.source.weights.path)))
    around, first, last = _ncnn_ends(entry)

    def run(tile: Planes) -> Planes:
        height, width = tile.shape[2:]
        beyond = ((around, around + -side % entry.multiple) for side in (height, width))
        # ncnn borrows the array's memory, which therefore has a name here.
        planes = np.ascontiguousarray(np.pad(tile[0], ((0, 0), *beyond), mode="edge"))
        extractor = net.create_extractor()
        extractor.input(first, ncnn.Mat(planes))
        _, output = extractor.extract(last)
        return np.array(output)[None, :, : entry.scale * height, : entry.scale * width]

    return run


def by_onnxruntime(network: LoadedNetwork, threads: int) -> RunTile:
    """Use onnxruntime on the CPU, all optimisations on, sizes left open."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = Path(folder, "network.onnx")
        torch.onnx.export(
            network.module,
            (torch.rand(1, 3, 64, 64),),
            file,
            dynamo=False,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes={"x": {2: "h", 3: "w"}, "y": {2: "H", 3: "W"}},
            opset_version=17,
        )
        exported = file.read_bytes()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(exported, options, providers=["CPUExecutionProvider"])

    def run(tile: Planes) -> Planes:
        output: Planes = session.run(None, {"x": tile})[0]
        return output

    return run


def by_openvino(network: LoadedNetwork, threads: int, *, fp32: bool = False) -> RunTile:
    """Use openvino on the CPU, in the precision that it picks or in fp32, compiled by size."""
    settings: dict[str, int | str] = {"INFERENCE_NUM_THREADS": threads}
    if fp32:
        settings["INFERENCE_PRECISION_HINT"] = "f32"
    compiled: dict[tuple[int, ...], RunTile] = {}

    def run(tile: Planes) -> Planes:
        if tile.shape not in compiled:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = openvino.convert_model(
                    network.module, example_input=torch.from_numpy(tile), input=list(tile.shape)
                )
            compiled[tile.shape] = openvino.Core().compile_model(model, "CPU", settings)
        output: Planes = compiled[tile.shape](tile)[0]
        return output

    return run


RIVALS: Final[dict[str, Callable[[LoadedNetwork, int], RunTile]]] = {
    "naive loop in torch fp32": by_torch,
    "ncnn": by_ncnn,
    "onnxruntime": by_onnxruntime,
    "openvino fp32": lambda network, threads: by_openvino(network, threads, fp32=True),
    "openvino as it comes": by_openvino,
}


def _ncnn_ends(entry: NetworkEntry) -> tuple[int, str, str]:
    """Return how much of the edge ncnn's file wants repeated, and its first and last blob."""
    around = _USED_UP.get(entry.architecture, 0)
    return (around, "Input1", "Eltwise4") if around else (0, "data", "output")
