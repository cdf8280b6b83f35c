"""A filter of system calls for a process that only computes.

Refuses, with EPERM, what code that took over a decoder would want: files, sockets, other programs
and other processes. What is open stays open, and threads of its own stay allowed: libde265
decodes on one, and ends the process where it cannot have it. Everything else stays allowed too, so
that the filter does not depend on what the interpreter or a C library happens to call. See Linux,
Documentation/userspace-api/seccomp_filter.
"""

import ctypes
import errno
import platform
import struct
import sys
from dataclasses import dataclass

from processors.sandbox.refused_calls import REFUSED

_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_JUMP_IF_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_JUMP_IF_AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_JUMP_IF_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K
_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000 | errno.EPERM
_DENY_THAT_IT_EXISTS = 0x00050000 | errno.ENOSYS
_KILL = 0x80000000

_NUMBER_AT = 0
_ARCHITECTURE_AT = 4
_FIRST_ARGUMENT_AT = 16
_CLONE_THREAD = 0x10000
_X32_CALLS = 0x40000000


@dataclass(frozen=True, slots=True)
class _Machine:
    """A machine's name to the filter, and the calls that are neither refused nor allowed as such.

    `column` is where its numbers stand in `REFUSED`.
    """

    architecture: int
    column: int
    clone: int
    clone3: int
    prlimit64: int


_MACHINES = {
    "x86_64": _Machine(0xC000003E, 0, clone=56, clone3=435, prlimit64=302),
    "aarch64": _Machine(0xC00000B7, 1, clone=220, clone3=435, prlimit64=261),
}


class _Program(ctypes.Structure):
    """The kernel's sock_fprog: a count of instructions and where they are."""

    _fields_ = (("count", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def refuse_all_but_computing() -> bool:
    """Install the filter for this process; tell whether it is in force.

    What is needed is imported and opened before. It is not in force where the kernel has no
    seccomp or the machine is neither x86-64 nor 64-bit ARM: then the limits on memory, time and
    the size of files are what confines.
    """
    machine = _MACHINES.get(platform.machine())
    if sys.platform != "linux" or machine is None:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return False
    code = _filter(machine)
    program = _Program(len(code) // 8, code)
    return not libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)


def _filter(machine: _Machine) -> bytes:
    numbers = (call[machine.column] for call in REFUSED.values())
    refused = sorted(number for number in numbers if number is not None)
    count = len(refused)
    return b"".join(
        [
            _instruction(_LOAD, _ARCHITECTURE_AT),
            _instruction(_JUMP_IF_EQUAL, machine.architecture, 1, 0),
            _instruction(_RETURN, _KILL),
            _instruction(_LOAD, _NUMBER_AT),
            # The x32 calls of x86-64 are the same calls under other numbers.
            _instruction(_JUMP_IF_AT_LEAST, _X32_CALLS, count + 4, 0),
            # What clone3 is asked for lies in memory, where a filter cannot look; without it,
            # the C library asks clone.
            _instruction(_JUMP_IF_EQUAL, machine.clone3, count + 4, 0),
            _instruction(_JUMP_IF_EQUAL, machine.clone, count + 4, 0),
            _instruction(_JUMP_IF_EQUAL, machine.prlimit64, count + 5, 0),
            *(
                _instruction(_JUMP_IF_EQUAL, number, count - index, 0)
                for index, number in enumerate(refused)
            ),
            _instruction(_RETURN, _ALLOW),
            _instruction(_RETURN, _REFUSE),
            _instruction(_RETURN, _DENY_THAT_IT_EXISTS),
            _instruction(_LOAD, _FIRST_ARGUMENT_AT),
            _instruction(_JUMP_IF_ANY_BIT, _CLONE_THREAD, 2, 3),
            # Limits of its own, which it may only lower, and of no other process.
            _instruction(_LOAD, _FIRST_ARGUMENT_AT),
            _instruction(_JUMP_IF_EQUAL, 0, 0, 1),
            _instruction(_RETURN, _ALLOW),
            _instruction(_RETURN, _REFUSE),
        ]
    )


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
