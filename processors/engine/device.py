"""Where networks run, and in which precision."""

from dataclasses import dataclass
from typing import Final

import torch

from processors.models.manifest import Precision

DTYPES: Final = {
    Precision.FP32: torch.float32,
    Precision.BF16: torch.bfloat16,
    Precision.FP16: torch.float16,
}


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
