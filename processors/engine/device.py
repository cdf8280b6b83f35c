"""Where networks run, in which precision, and with how many threads."""

import functools
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal

import torch

from processors.models.manifest import NetworkEntry, Precision

DTYPES: Final = {
    Precision.FP32: torch.float32,
    Precision.BF16: torch.bfloat16,
    Precision.FP16: torch.float16,
}

Wanted = Literal["auto", "fp32", "bf16", "fp16"]
"""A precision by name, or the one that is fastest on the device."""

_CGROUP: Final = Path("/sys/fs/cgroup")


class Runtime(StrEnum):
    """What runs a network."""

    TORCH = "torch"
    OPENVINO = "openvino"


@dataclass(frozen=True, slots=True)
class Device:
    """A torch device by name, with the precision that networks run in there, and by what."""

    name: str
    precision: Precision
    runtime: Runtime = Runtime.TORCH

    def precision_of(self, entry: NetworkEntry) -> Precision:
        """Return the device's precision, or fp32 for a network that may not run in it."""
        return self.precision if self.precision in entry.precisions else Precision.FP32


REFERENCE: Final = Device("cpu", Precision.FP32)
"""Torch in fp32, which every other way to run a network is tested against."""


def choose_device(precision: Wanted = "auto") -> Device:
    """Return the first CUDA device where there is one, by torch, else the CPU, by OpenVINO.

    "auto" is fp16 on CUDA, and on the CPU bf16 where it multiplies in bf16 (AVX512_BF16 or
    AMX), else fp32. A precision that the device only emulates is not refused: it is slow. fp16 on
    a CPU is torch's: OpenVINO would run it in bf16, and would not say so.
    """
    if torch.cuda.is_available():
        return Device("cuda", Precision.FP16 if precision == "auto" else Precision(precision))
    fastest = Precision.BF16 if multiplies_bf16() else Precision.FP32
    chosen = fastest if precision == "auto" else Precision(precision)
    return Device("cpu", chosen, Runtime.TORCH if chosen is Precision.FP16 else Runtime.OPENVINO)


@functools.cache
def multiplies_bf16() -> bool:
    """Tell whether this CPU has instructions that multiply in bf16."""
    has = torch.cpu.get_capabilities()
    return bool(has.get("avx512_bf16") or has.get("amx_bf16"))


def use_ieee_fp32() -> None:
    """Let fp32 on a GPU be fp32, and not TF32, which has no more mantissa than fp16.

    fp32 is what tiles are done again in when half a precision was not enough.
    """
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def use_threads(count: int) -> None:
    """Let networks on the CPU use that many threads; holds for the whole process."""
    torch.set_num_threads(count)


def use_no_more_threads_than_cores() -> None:
    """Lower torch's threads to the cores that this process may use."""
    use_threads(min(torch.get_num_threads(), count_cores()))


def count_cores(cgroup: Path = _CGROUP) -> int:
    """Return how many cores this process may keep busy, at least one.

    The least of the physical cores, of those it may run on, and of the CPU time that its
    control group has (`cpu.max`, or the `cpu.cfs_*` files of version 1), rounded up.
    """
    physical = int(torch.cpu.get_capabilities().get("num_physical_cores") or 0)
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limits = [physical, allowed or 1, _quota(cgroup)]
    return max(1, min(limit for limit in limits if limit))


def _quota(cgroup: Path) -> int:
    """Return the cores' worth of CPU time that the control group has; 0 without a limit."""
    readings: tuple[Callable[[], list[str]], ...] = (
        lambda: (cgroup / "cpu.max").read_text().split(),
        lambda: [
            (cgroup / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period")
        ],
    )
    for reading in readings:
        try:
            quota, period = (int(word) for word in reading())
        except (OSError, ValueError):
            # No such file, or "max": no limit is told there.
            continue
        if quota > 0 and period > 0:
            return math.ceil(quota / period)
    return 0
