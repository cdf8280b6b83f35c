"""What a network's activations take, and what they may."""

from typing import Final

import torch

from processors.engine.device import Device, Runtime
from processors.models.manifest import Architecture, NetworkEntry, Precision

_CPU_BYTES: Final = 3 << 29
_GPU_BYTES: Final = 8 << 30

_BYTES_PER_PIXEL: Final = {
    Runtime.TORCH: {
        Architecture.RRDB_23: (15_500, 12_000),
        Architecture.RRDB_6: (15_500, 12_000),
        Architecture.SRVGG_16: (1_500, 700),
        Architecture.SRVGG_32: (1_500, 700),
        Architecture.UPCONV_7: (2_900, 2_900),
        Architecture.CUNET: (2_300, 1_300),
    },
    Runtime.OPENVINO: {
        Architecture.RRDB_23: (13_000, 6_900),
        Architecture.RRDB_6: (13_000, 6_900),
        Architecture.SRVGG_16: (1_700, 1_400),
        Architecture.SRVGG_32: (1_700, 1_400),
        Architecture.UPCONV_7: (1_800, 1_500),
        Architecture.CUNET: (1_300, 800),
    },
}
"""Bytes for each pixel that is read, in fp32 and in half precision.

By how much the largest resident size of a process grew over that after a picture of 48 x 48, on
a CPU, in tiles of 320 x 320 or more (RRDBNet) or 600 x 600 and more, rounded up.
"""

_OUT_OF_MEMORY: Final = (
    "not enough memory",
    "can't allocate memory",
    "out of memory",
    "could not create a memory object",
    "failed to allocate",
    "bad_alloc",
    "can't alloc",
    "alloc_failed",
)
"""What torch, oneDNN and OpenVINO say on a CPU, and cuBLAS and cuDNN on a GPU, where the error has
no type of its own."""


def budget(device: Device) -> int:
    """Return the bytes of activations that a tile may take where nothing else is said.

    A constant on each device, never what happens to be free: the same picture is to give the
    same bytes. On the CPU 1.5 GiB, in which RRDBNet in bf16 gets tiles of 483 x 483.
    """
    if device.name == "cpu":
        return _CPU_BYTES
    return min(_GPU_BYTES, int(torch.cuda.get_device_properties(device.name).total_memory) // 2)


def bytes_per_pixel(entry: NetworkEntry, device: Device) -> int:
    """Return what each pixel that is read takes on `device`, in its precision."""
    fp32, half = _BYTES_PER_PIXEL[device.runtime][entry.architecture]
    return fp32 if device.precision is Precision.FP32 else half


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether less work at a time could have avoided `error`."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return any(words in str(error).lower() for words in _OUT_OF_MEMORY)
