"""The child's side: confine itself, then answer requests until its input ends."""

import os
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

from processors.sandbox.framing import CPU_FIELD, Buffer, Fields, Message, pack, unpack
from processors.sandbox.seccomp import refuse_all_but_computing

_FILES = 16
_MOST_REQUEST = 1 << 30


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request is answered with."""

    fields: Fields
    buffers: tuple[Buffer, ...] = ()


def serve(answer: Callable[[Message], Reply]) -> None:
    """Answer each request on standard input to standard output; returns when input ends.

    An empty message says that the process is ready.

    The arguments of the command line are the limits: bytes of address space, bytes of memory of
    its own, seconds of CPU per request, seconds of wall time per request. A request that names
    fewer seconds of CPU gets those. Past either number of seconds the process is ended by a
    signal, also when its parent is gone.
    """
    # An interrupt ends it by that signal, and not as an error of the answer's.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    address_space, memory, cpu_s = (int(limit) for limit in sys.argv[1:4])
    wall_s = float(sys.argv[4])
    _confine(address_space, memory)
    requests, replies = sys.stdin.fileno(), sys.stdout.fileno()
    _send(replies, Reply({}))
    while True:
        try:
            message = unpack(lambda view: _read_exactly(requests, view), most=_MOST_REQUEST)
        except EOFError:
            return
        _allow_cpu(min(cpu_s, float(str(message.fields.pop(CPU_FIELD, cpu_s)))))
        signal.setitimer(signal.ITIMER_REAL, wall_s)
        _send(replies, answer(message))
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_PROF, 0)


def _confine(address_space: int, memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES, _FILES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    refuse_all_but_computing()


def _allow_cpu(seconds: float) -> None:
    """End the process after `seconds` more of CPU, of all its threads.

    The limit beside the timer is of whole seconds, of the process's whole life, and later; but it
    holds where a timer is taken away.
    """
    signal.setitimer(signal.ITIMER_PROF, seconds)
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 2
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _read_exactly(descriptor: int, view: memoryview) -> None:
    while view:
        count = os.readv(descriptor, [view])
        if not count:
            raise EOFError
        view = view[count:]


def _send(descriptor: int, reply: Reply) -> None:
    for piece in pack(reply.fields, reply.buffers):
        _write_all(descriptor, memoryview(piece).cast("B"))


def _write_all(descriptor: int, view: memoryview) -> None:
    while view:
        view = view[os.write(descriptor, view) :]
