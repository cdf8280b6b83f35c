"""Weights come out of ncnn's files whole, or not at all."""

import struct

import numpy as np
import pytest
import torch
from torch import nn

from processors.models.files import WeightsMalformed
from processors.models.ncnn_weights import load_ncnn

PARAM = """7767517
4 4
Input     data   0 1 data
Convolution first 1 1 data a 0=2 1=1 4=0 5=1 6=6 9=2 -23310=1,2.000000e-01
PReLU     act    1 1 a b 0=2
Convolution last 1 1 b output 0=3 1=1 4=0 5=1 6=6
"""
FP16 = 0x01306B47


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 2, 1), nn.PReLU(2), nn.Conv2d(2, 3, 1))


def weights(tag: int = FP16) -> bytes:
    first = np.arange(6, dtype="<f2").tobytes() if tag == FP16 else floats(*range(6))
    return (
        struct.pack("<I", tag)
        + first
        + floats(0.5, -0.5)
        + floats(0.25, 0.75)
        + struct.pack("<I", 0)
        + floats(*range(6, 12))
        + floats(1, 2, 3)
    )


def floats(*values: float) -> bytes:
    return np.array(values, "<f4").tobytes()


@pytest.mark.parametrize("tag", [FP16, 0])
def test_tensors_land_where_they_belong(tag: int) -> None:
    loaded = network()

    load_ncnn(loaded, PARAM, weights(tag))

    state = loaded.state_dict()
    assert state["0.weight"].flatten().tolist() == [0, 1, 2, 3, 4, 5]
    assert state["0.bias"].tolist() == [0.5, -0.5]
    assert state["1.weight"].tolist() == [0.25, 0.75]
    assert state["2.weight"].flatten().tolist() == [6, 7, 8, 9, 10, 11]
    assert state["2.bias"].tolist() == [1, 2, 3]


def test_what_ncnn_lays_out_otherwise_than_torch_is_turned() -> None:
    param = """7767517
2 2
Deconvolution up    1 1 a b 0=2 1=1 5=1 6=6
InnerProduct  dense 1 1 b c 0=2 1=1 2=4
"""
    up = struct.pack("<I", 0) + floats(*range(6)) + floats(0.5, -0.5)
    dense = struct.pack("<I", FP16) + np.arange(4, dtype="<f2").tobytes() + floats(7, 8)
    loaded = nn.Sequential(nn.ConvTranspose2d(3, 2, 1), nn.Linear(2, 2))

    load_ncnn(loaded, param, up + dense)

    state = loaded.state_dict()
    assert state["0.weight"].squeeze().tolist() == [[0, 3], [1, 4], [2, 5]]
    assert state["0.bias"].tolist() == [0.5, -0.5]
    assert state["1.weight"].tolist() == [[0, 1], [2, 3]]
    assert state["1.bias"].tolist() == [7, 8]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (weights()[:-1], "bytes are wanted"),
        (weights() + b"\0\0\0\0", "left over"),
        (b"\x01\0\0\0" + weights()[4:], "unknown tag"),
    ],
)
def test_a_file_that_is_not_consumed_exactly_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(WeightsMalformed, match=reason):
        load_ncnn(network(), PARAM, content)


@pytest.mark.parametrize(
    ("written", "instead"),
    [("1=1 4=0", "4=0"), ("0=2 1=1", "0=0 1=1"), ("6=6 9=2", "6=6 9=2=2"), ("data a 0=2", "")],
)
def test_layers_that_are_not_as_ncnn_writes_them_are_refused(written: str, instead: str) -> None:
    with pytest.raises(WeightsMalformed, match="not what ncnn writes"):
        load_ncnn(network(), PARAM.replace(written, instead), weights())


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(WeightsMalformed, match="tensors"):
        load_ncnn(nn.Sequential(nn.Conv2d(3, 2, 1)), PARAM, weights())

    other = nn.Sequential(nn.Conv2d(3, 2, 3), nn.PReLU(2), nn.Conv2d(2, 3, 1))
    with pytest.raises(WeightsMalformed, match="in the network"):
        load_ncnn(other, PARAM, weights())


def test_a_layer_that_may_carry_weights_unknown_here_is_refused() -> None:
    with pytest.raises(WeightsMalformed, match="BatchNorm"):
        load_ncnn(network(), PARAM.replace("PReLU    ", "BatchNorm"), weights())
    with pytest.raises(WeightsMalformed, match="Scale"):
        load_ncnn(network(), PARAM.replace("PReLU    ", "Scale"), weights())


def test_a_refused_file_leaves_the_network_as_it_was() -> None:
    untouched = network()
    before = {name: value.clone() for name, value in untouched.state_dict().items()}

    with pytest.raises(WeightsMalformed):
        load_ncnn(untouched, PARAM, weights() + b"\0")

    after = untouched.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
