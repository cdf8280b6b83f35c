"""A network out of a supplied file ends within a second or a layer once it is told to stop."""

import time

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn
from typing_extensions import override

from processors.engine.tiled import Cancelled
from processors.models.beat import BEAT_S, LayerBeat
from processors.models.onnx_session import Session

WITHOUT_END = 1 << 60


def counting() -> bytes:
    """Return a network that counts to what it is given, one by one, and takes as long."""
    scalar = (TensorProto.INT64, [])
    one = helper.make_tensor("one", *scalar, [1])
    truth = helper.make_tensor("always", TensorProto.BOOL, [], [True])
    count = helper.make_graph(
        [
            helper.make_node("Add", ["so_far", "one"], ["more"]),
            helper.make_node("Identity", ["on"], ["further"]),
        ],
        "count",
        [
            helper.make_tensor_value_info("turn", *scalar),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("so_far", *scalar),
        ],
        [
            helper.make_tensor_value_info("further", TensorProto.BOOL, []),
            helper.make_tensor_value_info("more", *scalar),
        ],
        [one],
    )
    graph = helper.make_graph(
        [helper.make_node("Loop", ["input", "always", "none"], ["output"], body=count)],
        "counting",
        [helper.make_tensor_value_info("input", *scalar)],
        [helper.make_tensor_value_info("output", *scalar)],
        [truth, helper.make_tensor("none", *scalar, [0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


def test_an_onnx_network_that_runs_without_end_is_stopped_and_runs_again() -> None:
    session = Session("counting", counting())
    beats = list[float]()

    def stop_the_second_time() -> None:
        beats.append(time.monotonic())
        if len(beats) == 2:
            raise Cancelled

    began = time.monotonic()
    with pytest.raises(Cancelled):
        session.run({"input": np.array(WITHOUT_END)}, (), stop_the_second_time)

    assert len(beats) == 2
    assert beats[0] - began >= BEAT_S
    assert session.run({"input": np.array(3)}, (), stop_the_second_time) == 3


class Long(nn.Module):
    """A layer that takes a little longer than a beat."""

    @override
    def forward(self, given: Tensor) -> Tensor:
        end = time.monotonic() + BEAT_S
        while time.monotonic() < end:
            time.sleep(end - time.monotonic())
        return given + 1


def test_a_torch_network_is_stopped_between_its_layers() -> None:
    after = nn.Identity()
    network = nn.Sequential(Long(), after)
    seen = list[Tensor]()
    after.register_forward_hook(lambda _module, _given, made: seen.append(made))
    beat = LayerBeat()
    beat.watch(network)

    def stop() -> None:
        raise Cancelled

    beat.begin(stop)
    with pytest.raises(Cancelled):
        network(torch.zeros(1))

    assert not seen
