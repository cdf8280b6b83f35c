"""Weights out of ncnn's .param and .bin files.

The .param file is text: a magic number, a line of counts, then one layer a line: type, name,
number of inputs and outputs, their names, and `key=value` parameters. The .bin file holds, in
the order of the layers, for each Convolution, Deconvolution and InnerProduct a four-byte tag,
the weights (out, in, k, k) as fp16 padded to four bytes (tag 0x01306B47) or as fp32 (tag 0),
then the bias as fp32; for each PReLU its slopes as fp32. See ncnn,
docs/developer-guide/param-and-model-file-structure.md.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from processors.models.files import WeightsMalformed

_PARAM_MAGIC = "7767517"
_TAG_FP16 = 0x01306B47
_TAG_FP32 = 0
_WITHOUT_WEIGHTS = frozenset(
    {
        "BinaryOp",
        "Concat",
        "Crop",
        "Eltwise",
        "Input",
        "Interp",
        "PixelShuffle",
        "Pooling",
        "Scale",  # by another layer's output; one with weights of its own is refused below
        "Split",
    }
)

_OUTPUTS = 0
_KERNEL = 1
_HAS_BIAS = 5
_WEIGHT_COUNT = 6
_DENSE_HAS_BIAS = 1
_DENSE_WEIGHT_COUNT = 2
_SCALED_BY_A_LAYER = -233


def load_ncnn(network: nn.Module, param: str, weights: bytes) -> None:
    """Fill `network` in place with the weights of an ncnn model.

    Layers are matched by order: ncnn stores them in the order in which they run, which for the
    networks here is the order of their state dict. Raises `WeightsMalformed` when a tensor has
    another shape than the network's, when tensors are left over on either side, when the file
    is not consumed to its last byte, or when the .param file is not what ncnn writes.
    """
    expected = network.state_dict()
    try:
        found = list(_tensors(param, weights))
    except (KeyError, ValueError, ZeroDivisionError) as error:
        raise WeightsMalformed(f"the .param file is not what ncnn writes: {error!r}") from error
    if len(found) != len(expected):
        raise WeightsMalformed(
            f"the file holds {len(found)} tensors, the network has {len(expected)}"
        )
    state: dict[str, Tensor] = {}
    for (name, parameter), values in zip(expected.items(), found, strict=True):
        if values.shape != parameter.shape:
            raise WeightsMalformed(
                f"{name} is {tuple(parameter.shape)} in the network, {values.shape} in the file"
            )
        state[name] = torch.from_numpy(values)
    network.load_state_dict(state)


def _tensors(param: str, weights: bytes) -> Iterator[npt.NDArray[np.float32]]:
    reader = _Reader(weights)
    for kind, settings in _layers(param):
        match kind:
            case "Convolution":
                yield from _convolution(settings, reader)
            case "Deconvolution":
                filters, *bias = _convolution(settings, reader)
                # ncnn keeps (out, in, k, k) here too, torch (in, out, k, k).
                yield np.ascontiguousarray(filters.swapaxes(0, 1))
                yield from bias
            case "InnerProduct":
                yield from _dense(settings, reader)
            case "PReLU":
                yield reader.floats(settings[_OUTPUTS])
            case "Scale" if settings[_OUTPUTS] != _SCALED_BY_A_LAYER:
                raise WeightsMalformed("a Scale layer with weights of its own is not known here")
            case _ if kind not in _WITHOUT_WEIGHTS:
                raise WeightsMalformed(f"layer type {kind} is not known here")
    if reader.left:
        raise WeightsMalformed(f"{reader.left} bytes of weights are left over")


def _convolution(settings: dict[int, int], reader: "_Reader") -> Iterator[npt.NDArray[np.float32]]:
    outputs, kernel = settings[_OUTPUTS], settings[_KERNEL]
    count = settings[_WEIGHT_COUNT]
    inputs, rest = divmod(count, outputs * kernel * kernel)
    if rest:
        raise WeightsMalformed(f"{count} weights do not make {outputs} {kernel}x{kernel} filters")
    yield reader.tagged(count).reshape(outputs, inputs, kernel, kernel)
    if settings.get(_HAS_BIAS):
        yield reader.floats(outputs)


def _dense(settings: dict[int, int], reader: "_Reader") -> Iterator[npt.NDArray[np.float32]]:
    outputs, count = settings[_OUTPUTS], settings[_DENSE_WEIGHT_COUNT]
    if count % outputs:
        raise WeightsMalformed(f"{count} weights do not make {outputs} rows")
    yield reader.tagged(count).reshape(outputs, count // outputs)
    if settings.get(_DENSE_HAS_BIAS):
        yield reader.floats(outputs)


def _layers(param: str) -> Iterator[tuple[str, dict[int, int]]]:
    lines = param.split("\n")
    if lines[0].strip() != _PARAM_MAGIC:
        raise WeightsMalformed("the .param file does not begin with ncnn's magic number")
    for line in lines[2:]:
        if not line.strip():
            continue
        kind, _name, inputs, outputs, *rest = line.split()
        pairs = (word.split("=") for word in rest[int(inputs) + int(outputs) :])
        # Arrays (keys below -23300) and fractions carry slopes and scales, never sizes.
        yield kind, {int(key): int(value) for key, value in pairs if _is_whole(value)}


def _is_whole(value: str) -> bool:
    return value.removeprefix("-").isdecimal()


class _Reader:
    """A cursor over the .bin file that never reads past its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def tagged(self, count: int) -> npt.NDArray[np.float32]:
        tag = int.from_bytes(self._take(4), "little")
        if tag == _TAG_FP32:
            return self.floats(count)
        if tag != _TAG_FP16:
            raise WeightsMalformed(f"weights are stored with the unknown tag {tag:#010x}")
        values = np.frombuffer(self._take(2 * count), dtype="<f2").astype(np.float32)
        self._take(-2 * count % 4)
        return values

    def floats(self, count: int) -> npt.NDArray[np.float32]:
        return np.frombuffer(self._take(4 * count), dtype="<f4").astype(np.float32)

    def _take(self, size: int) -> bytes:
        if size > self.left:
            raise WeightsMalformed(f"{size} bytes are wanted where {self.left} are left")
        self._at += size
        return self._data[self._at - size : self._at]
