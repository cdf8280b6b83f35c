"""ONNX files, run by onnxruntime where that is installed."""

from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from processors.failures import ModelUnavailable
from processors.models.ncnn_weights import WeightsMalformed


class Session(Protocol):
    """What is used of `onnxruntime.InferenceSession`."""

    def run(
        self, output_names: list[str] | None, input_feed: dict[str, npt.NDArray[np.generic]]
    ) -> list[npt.NDArray[np.generic]]:
        """Return the outputs for these inputs."""


def open_session(name: str, content: bytes) -> Session:
    """Return a session on the CPU for the ONNX file with that content.

    Raises `ModelUnavailable` where onnxruntime is not installed, and `WeightsMalformed` when
    the content is no network that it can run.
    """
    try:
        # Optional, and slow to import: only who has supplied a file pays for it.
        import onnxruntime  # noqa: PLC0415
    except ImportError as error:
        raise ModelUnavailable(
            f"{name} needs onnxruntime; run `pip install picmend[supplied]`"
        ) from error
    try:
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    # Every error of onnxruntime derives from nothing narrower.
    except Exception as error:
        raise WeightsMalformed(f"{name} is no ONNX file that can be run: {error}") from error
    return cast("Session", session)
