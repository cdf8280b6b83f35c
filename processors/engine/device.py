"""Where networks run, and in which precision."""

from dataclasses import dataclass
from enum import StrEnum

import torch


class Precision(StrEnum):
    """The floating-point format of weights and activations."""

    FP32 = "fp32"
    FP16 = "fp16"

    @property
    def dtype(self) -> torch.dtype:
        """The torch type of that name."""
        return torch.float16 if self is Precision.FP16 else torch.float32


@dataclass(frozen=True, slots=True)
class Device:
    """A torch device by name, with the precision that networks run in there."""

    name: str
    precision: Precision


CPU = Device("cpu", Precision.FP32)


def choose_device() -> Device:
    """Return the first CUDA device in fp16 where there is one, else the CPU in fp32."""
    if torch.cuda.is_available():
        return Device("cuda", Precision.FP16)
    return CPU


def use_threads(count: int) -> None:
    """Let networks on the CPU use that many threads; holds for the whole process."""
    torch.set_num_threads(count)
