"""ONNX files, run by onnxruntime where that is installed."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from processors.failures import ModelUnavailable, ProcessingFailure
from processors.models.beat import BEAT_S, Beat
from processors.models.files import WeightsMalformed

_FATAL: Final = 4


class Session:
    """The network of an ONNX file on the CPU. Safe to share between threads.

    It has as many threads as torch. Raises `ModelUnavailable` where onnxruntime is not
    installed, and `WeightsMalformed` when `content` is no network that it can run.
    """

    def __init__(self, name: str, content: bytes) -> None:
        try:
            # Optional, and slow to import: only who has supplied a file pays for it.
            import onnxruntime  # noqa: PLC0415
        except ImportError as error:
            raise ModelUnavailable(
                f"{name} needs onnxruntime", "run `pip install picmend[supplied]`"
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self._name = name
        self._run_options = onnxruntime.RunOptions
        try:
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        # Every error of onnxruntime derives from nothing narrower.
        except Exception as error:
            raise WeightsMalformed(f"{name} is no ONNX file that can be run: {error}") from error

    def run(
        self, feed: Mapping[str, npt.NDArray[np.generic]], shape: tuple[int, ...], beat: Beat
    ) -> npt.NDArray[np.float32]:
        """Return the network's one output, of that shape, for these inputs.

        Raises `WeightsMalformed` when it takes other inputs, or gives something else, and
        `ProcessingFailure` when it cannot be run or its output is not finite, and what `beat`
        raises, within a second or a layer.
        """
        wanted = {each.name for each in self._session.get_inputs()}
        if wanted != feed.keys():
            raise WeightsMalformed(f"{self._name} takes {wanted}, not {set(feed)}")
        options = self._run_options()
        # It would print what it raises, and that it was told to stop.
        options.log_severity_level = _FATAL
        with ThreadPoolExecutor(1) as beside:
            running = beside.submit(self._session.run, None, dict(feed), options)
            try:
                while not wait([running], BEAT_S).done:
                    beat()
            except BaseException:
                options.terminate = True
                raise
        try:
            outputs = running.result()
        # As above.
        except Exception as error:
            raise ProcessingFailure(f"{self._name} could not be run: {error}") from error
        if [np.shape(each) for each in outputs] != [shape]:
            raise WeightsMalformed(
                f"{self._name} gave {[np.shape(each) for each in outputs]} where {shape} is wanted"
            )
        output: npt.NDArray[np.float32] = outputs[0].astype(np.float32)
        if not np.isfinite(output).all():
            raise ProcessingFailure(f"{self._name} gave values that are not finite")
        return output
