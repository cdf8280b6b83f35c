"""What a network's activations take, and how freed memory is treated."""

import ctypes
import functools
import platform
from typing import Final

import torch

from processors.engine.device import Device
from processors.models.manifest import Architecture, NetworkEntry, Precision

_CPU_BYTES: Final = 3 << 29
_GPU_BYTES: Final = 8 << 30

_BYTES_PER_PIXEL: Final = {
    Architecture.RRDB_23: (15_500, 12_000),
    Architecture.RRDB_6: (15_500, 12_000),
    Architecture.SRVGG_16: (1_500, 700),
    Architecture.SRVGG_32: (1_500, 700),
    Architecture.UPCONV_7: (2_900, 2_900),
    Architecture.CUNET: (2_300, 1_300),
}
"""Bytes for each pixel that is read, in fp32 and in half precision.

By how much the largest resident size of a process grew over that after a picture of 48 x 48, on
a CPU, in tiles of 320 x 320 (RRDBNet) or 600 x 600, rounded up.
"""

_OUT_OF_MEMORY: Final = (
    "not enough memory",
    "can't allocate memory",
    "out of memory",
    "could not create a memory object",
)
"""What torch and oneDNN say on a CPU, where the error has no type of its own."""

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
_NEVER: Final = 2**31 - 1


@functools.cache
def keep_freed_memory() -> bool:
    """Let this process keep what it frees, for the next layer to use; tell whether it does.

    Each layer takes and frees tens of megabytes, which glibc gives back to the system and gets
    again, every page by a fault that clears it: 14 to 44 % of the CPU time of a network on two
    cores. One arena, since only the main one can keep blocks that large. Holds for the whole
    process; `give_back` undoes it for what is free at the moment. Does nothing without glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all(
        mallopt(option, value)
        for option, value in ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _NEVER), (_M_ARENA_MAX, 1))
    )


def give_back(device: Device) -> None:
    """Give memory that is free back to the system, or to other users of the GPU."""
    if device.name != "cpu":
        torch.cuda.empty_cache()
    elif keep_freed_memory():
        ctypes.CDLL(None).malloc_trim(0)


def budget(device: Device) -> int:
    """Return the bytes of activations that a tile may take where nothing else is said.

    A constant on each device, never what happens to be free: the same picture is to give the
    same bytes. On the CPU 1.5 GiB, in which RRDBNet gets tiles of about 366 x 366.
    """
    if device.name == "cpu":
        return _CPU_BYTES
    return min(_GPU_BYTES, int(torch.cuda.get_device_properties(device.name).total_memory) // 2)


def bytes_per_pixel(entry: NetworkEntry, precision: Precision) -> int:
    """Return what each pixel that is read takes."""
    fp32, half = _BYTES_PER_PIXEL[entry.architecture]
    return fp32 if precision is Precision.FP32 else half


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether less work at a time could have avoided `error`."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return any(words in str(error).lower() for words in _OUT_OF_MEMORY)
