"""A network compiled by OpenVINO, which is what runs networks on CPUs."""

import contextlib
import functools
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from processors.engine.device import Device
from processors.models.manifest import Precision
from processors.models.survey import Survey, Surveys

# OpenVINO's package tells its maker of every import, by a module that it can do without.
sys.modules.setdefault("openvino_telemetry", cast("Any", None))

import openvino  # noqa: E402 (after what keeps it quiet)
from openvino.frontend import FrontEndManager  # noqa: E402
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder  # noqa: E402

_HINTS: Final = {Precision.FP32: "f32", Precision.BF16: "bf16"}

_BEAT_MS: Final = 1000

_SHAPES_KEPT: Final = 128
"""Prepared layers that a graph remembers: with OpenVINO's own bound of 5,000 a graph grew by
0.4 to 1.5 MB with each size of tile that it met."""

_TRACED: Final = 16
"""Pixels a side of the picture that a network is traced with; any size runs afterwards."""


class Compiled:
    """A network's module as graphs that OpenVINO runs on the CPU, for tiles of any size.

    A graph is made when it is first needed: one for pictures, and for networks that survey
    one more for tiles with a survey, and one that makes surveys. What OpenVINO runs in half
    precision ends in fp32 from the last convolution on.
    """

    def __init__(self, module: nn.Module, device: Device) -> None:
        self._module = module
        self._margin = module.margin if isinstance(module, Surveys) else 0
        self._settings = {
            "INFERENCE_PRECISION_HINT": _HINTS[device.precision],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            # Several workers of one machine would be pinned to the same cores.
            "ENABLE_CPU_PINNING": False,
            "CPU_RUNTIME_CACHE_CAPACITY": _SHAPES_KEPT,
        }
        self._graphs: dict[str, _Graph] = {}

    def run(
        self, pictures: Tensor, pulse: Callable[[], None], survey: Survey | None = None
    ) -> Tensor:
        """Return what the network makes of `pictures`, fp32 (N, 3, H, W), as it comes.

        `survey` is of the pictures that these are tiles of. `pulse` is called every second; what
        it raises ends the run. What is returned lies in the graph's memory: it is overwritten
        by the next run. Not to be called from two threads at a time.
        """
        if survey is None:
            (output,) = self._graph("alone", self._module).run([pictures], pulse)
        else:
            graph = self._graph("surveyed", _BySurvey(self._module), survey)
            (output,) = graph.run([pictures, *survey], pulse)
        return output

    def survey(self, samples: Tensor, pulse: Callable[[], None]) -> Survey:
        """Return what a network that surveys makes of a picture's samples, as `run` does."""
        graph = self._graph("survey", _Survey(self._module), side=_TRACED + 2 * self._margin)
        return tuple(means.clone() for means in graph.run([samples], pulse))

    def release(self) -> None:
        """Give back the memory of activations; the next run takes it again."""
        for graph in self._graphs.values():
            graph.release()

    def _graph(
        self, kind: str, module: nn.Module, means: Survey = (), side: int = _TRACED
    ) -> "_Graph":
        if kind not in self._graphs:
            examples = (torch.rand(1, 3, side, side), *(each[:1] for each in means))
            self._graphs[kind] = _Graph(module, examples, self._settings)
        return self._graphs[kind]


class _BySurvey(nn.Module):
    """A network that surveys, with the survey's means as inputs of their own."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor, *means: Tensor) -> Tensor:
        """Return what the network makes of `pictures` by a survey of those means."""
        output: Tensor = self.network(pictures, means)
        return output


class _Survey(nn.Module):
    """A network's survey as a network."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, samples: Tensor) -> Survey:
        """Return the means."""
        return cast("Surveys", self.network).survey(samples)


class _Graph:
    """A module that was compiled, with the memory that it runs in."""

    def __init__(
        self, module: nn.Module, examples: Sequence[Tensor], settings: dict[str, Any]
    ) -> None:
        with torch.no_grad(), warnings.catch_warnings():
            # Tracing warns of what is the same for every size here.
            warnings.simplefilter("ignore")
            decoder = TorchScriptPythonDecoder(
                module, example_input=tuple(examples), trace_kwargs={"check_trace": False}
            )
        frontend = FrontEndManager().load_by_framework("pytorch")
        model = frontend.convert(frontend.load(decoder))
        # Only channels are known: (N, C, H, W) for pictures, (N, C) for means.
        open_shapes = [[-1, each.shape[1], *[-1] * (each.dim() - 2)] for each in examples]
        model.reshape(dict(enumerate(map(openvino.PartialShape, open_shapes))))
        self._compiled = _core().compile_model(model, "CPU", settings)
        self._request = self._compiled.create_infer_request()

    def run(self, given: Sequence[Tensor], pulse: Callable[[], None]) -> list[Tensor]:
        """Return what the graph makes of `given`, in memory that the next run overwrites."""
        arrays: dict[int, npt.NDArray[np.float32]] = {
            place: each.contiguous().numpy() for place, each in enumerate(given)
        }
        self._request.start_async(arrays, share_inputs=True)
        try:
            while not self._request.wait_for(_BEAT_MS):
                pulse()
        except BaseException:
            self._request.cancel()
            with contextlib.suppress(RuntimeError):
                self._request.wait()
            raise
        return [torch.from_numpy(each.data) for each in self._request.output_tensors]

    def release(self) -> None:
        """Give back the memory that runs took."""
        self._compiled.release_memory()


@functools.cache
def _core() -> openvino.Core:
    return openvino.Core()
