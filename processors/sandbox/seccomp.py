"""A filter of system calls for a process that only computes.

Refuses, with EPERM, what code that took over a decoder would want: sockets, other programs and
other processes. Threads of its own stay allowed: libde265 decodes on one, and ends the process
where it cannot have it. Everything else stays allowed too, so that the filter does not depend on
what the interpreter or a C library happens to call. See Linux,
Documentation/userspace-api/seccomp_filter.
"""

import ctypes
import errno
import platform
import struct
import sys

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

_X86_64 = 0xC000003E
_AARCH64 = 0xC00000B7

# By name, so that the two tables can be compared; numbers from the kernel's unistd headers.
_CALLS: dict[str, tuple[int, dict[str, int]]] = {
    "x86_64": (
        _X86_64,
        {
            "socket": 41,
            "connect": 42,
            "sendto": 44,
            "bind": 49,
            "socketpair": 53,
            "clone": 56,
            "fork": 57,
            "vfork": 58,
            "execve": 59,
            "kill": 62,
            "ptrace": 101,
            "tkill": 200,
            "tgkill": 234,
            "unshare": 272,
            "perf_event_open": 298,
            "process_vm_readv": 310,
            "process_vm_writev": 311,
            "bpf": 321,
            "execveat": 322,
            "io_uring_setup": 425,
            "pidfd_send_signal": 424,
            "pidfd_open": 434,
            "clone3": 435,
            "pidfd_getfd": 438,
        },
    ),
    "aarch64": (
        _AARCH64,
        {
            "unshare": 97,
            "ptrace": 117,
            "kill": 129,
            "tkill": 130,
            "tgkill": 131,
            "socket": 198,
            "socketpair": 199,
            "bind": 200,
            "connect": 203,
            "sendto": 206,
            "clone": 220,
            "execve": 221,
            "perf_event_open": 241,
            "process_vm_readv": 270,
            "process_vm_writev": 271,
            "bpf": 280,
            "execveat": 281,
            "pidfd_send_signal": 424,
            "io_uring_setup": 425,
            "pidfd_open": 434,
            "clone3": 435,
            "pidfd_getfd": 438,
        },
    ),
}


class _Program(ctypes.Structure):
    """The kernel's sock_fprog: a count of instructions and where they are."""

    _fields_ = (("count", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def refuse_other_processes() -> bool:
    """Install the filter for this process; tell whether it is in force.

    It is not where the kernel has no seccomp or the machine is neither x86-64 nor 64-bit ARM:
    then the limits on memory, time and files are what confines.
    """
    if sys.platform != "linux" or platform.machine() not in _CALLS:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return False
    code = _filter(*_CALLS[platform.machine()])
    program = _Program(len(code) // 8, code)
    return not libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)


def _filter(architecture: int, calls: dict[str, int]) -> bytes:
    refused = sorted(set(calls.values()) - {calls["clone"], calls["clone3"]})
    count = len(refused)
    return b"".join(
        [
            _instruction(_LOAD, _ARCHITECTURE_AT),
            _instruction(_JUMP_IF_EQUAL, architecture, 1, 0),
            _instruction(_RETURN, _KILL),
            _instruction(_LOAD, _NUMBER_AT),
            # The x32 calls of x86-64 are the same calls under other numbers.
            _instruction(_JUMP_IF_AT_LEAST, _X32_CALLS, count + 3, 0),
            # What clone3 is asked for lies in memory, where a filter cannot look; without it,
            # the C library asks clone.
            _instruction(_JUMP_IF_EQUAL, calls["clone3"], count + 3, 0),
            _instruction(_JUMP_IF_EQUAL, calls["clone"], count + 3, 0),
            *(
                _instruction(_JUMP_IF_EQUAL, number, count - index, 0)
                for index, number in enumerate(refused)
            ),
            _instruction(_RETURN, _ALLOW),
            _instruction(_RETURN, _REFUSE),
            _instruction(_RETURN, _DENY_THAT_IT_EXISTS),
            _instruction(_LOAD, _FIRST_ARGUMENT_AT),
            _instruction(_JUMP_IF_ANY_BIT, _CLONE_THREAD, 0, 1),
            _instruction(_RETURN, _ALLOW),
            _instruction(_RETURN, _REFUSE),
        ]
    )


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
