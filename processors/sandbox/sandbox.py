"""The worker's side: confined children, kept for some requests, replaced when one fails."""

import os
import select
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import processors
from processors.failures import ProcessingFailure
from processors.sandbox.framing import (
    CPU_FIELD,
    Buffer,
    Fields,
    FramingError,
    Message,
    pack,
    unpack,
)

_PACKAGES = str(Path(processors.__file__).resolve().parent.parent)
_GRACE_S = 1.0
_POLL_S = 0.2

_FROM_OUTSIDE = {-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP}
"""How no request ends its child, which may signal nobody: a kernel without memory does, and
whoever stops a service or a terminal's programs all at once."""


class ChildFailed(ProcessingFailure):
    """The child crashed, ran out of time or sent garbage; it was killed.

    `status` is what it ended with by itself, if it did: that of its exit, or minus the signal's
    number.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ChildNotStarted(ChildFailed):
    """The child never came to serve: whatever the request, an operator must mend it."""


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """What a child may use.

    Bytes of address space, of memory that it writes to (reserved counts like used, what it shares
    with others, as libraries, does not), seconds of CPU and of wall time per request, seconds to
    start in, bytes of a reply, and the number of requests after which it is replaced.
    """

    address_space: int = 2 << 30
    memory: int = 2 << 30
    cpu_s: int = 30
    wall_s: float = 60.0
    start_s: float = 30.0
    reply_bytes: int = 512 << 20
    requests: int = 200


class Sandbox:
    """Runs requests in confined child processes of one Python module.

    A child has no open file but its two pipes and can open none, no environment but its own, and
    limits on memory and CPU. Its reply is taken as data: lengths are checked, nothing is
    unpickled. Each child serves one request at a time; threads that call at once get a child
    each. Close it, or use it as a context manager, to end the children.
    """

    def __init__(self, module: str, limits: SandboxLimits | None = None) -> None:
        self._module = module
        self.limits = limits or SandboxLimits()
        self._idle: list[_Child] = []
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def warm(self) -> None:
        """Start a child ahead of the first request, which then need not wait for it."""
        self._put_back(_Child(self._module, self.limits))

    def call(
        self,
        fields: Fields,
        buffers: Sequence[Buffer] = (),
        *,
        should_stop: Callable[[], bool] = lambda: False,
        cpu_s: float | None = None,
    ) -> Message:
        """Return the child's reply. `cpu_s` is this request's CPU time, if less than the limit.

        Raises `ChildFailed` when there is none within the limits, or when `should_stop()`
        turned true meanwhile: either way the child is killed and the next call gets another.
        `ChildNotStarted` of these where the request was not at fault. A child that was ended
        from outside is replaced, and asked once more within the time of one.
        """
        if cpu_s is not None:
            fields = {**fields, CPU_FIELD: cpu_s}
        by = time.monotonic() + self.limits.start_s + self.limits.wall_s + _GRACE_S
        try:
            return self._call(self._take(), fields, buffers, _Deadline(by, should_stop))
        except ChildFailed as error:
            if error.status not in _FROM_OUTSIDE:
                raise
        # Not an idle one: what ended the first may have ended them all.
        child = _Child(self._module, self.limits)
        return self._call(child, fields, buffers, _Deadline(by, should_stop))

    def _call(
        self, child: "_Child", fields: Fields, buffers: Sequence[Buffer], wait: "_Deadline"
    ) -> Message:
        try:
            message = child.call(fields, buffers, wait)
        except BaseException:
            child.kill()
            raise
        self._put_back(child)
        return message

    def close(self) -> None:
        """End the idle children; one at work ends with its request."""
        with self._lock:
            self._closed = True
            children, self._idle = self._idle, []
        for child in children:
            child.kill()

    def _take(self) -> "_Child":
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return _Child(self._module, self.limits)

    def _put_back(self, child: "_Child") -> None:
        with self._lock:
            if not self._closed and child.served < self.limits.requests:
                self._idle.append(child)
                return
        child.kill()


class _Child:
    """One child process with its two pipes. Not for use by two threads at once."""

    def __init__(self, module: str, limits: SandboxLimits) -> None:
        self.served = 0
        self._ready = False
        self._limits = limits
        told = (limits.address_space, limits.memory, limits.cpu_s, limits.wall_s)
        self._program = ["-m", module, *(str(limit) for limit in told)]
        try:
            self._process = subprocess.Popen(  # noqa: S603 (fixed arguments, no shell)
                [sys.executable, "-P", "-s", *self._program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                # Nothing of the worker's environment, which holds passwords; one thread and one
                # arena of memory, for each would reserve address space.
                env={
                    "PYTHONPATH": _PACKAGES,
                    "OPENBLAS_NUM_THREADS": "1",
                    "OMP_NUM_THREADS": "1",
                    "MALLOC_ARENA_MAX": "1",
                },
                bufsize=0,
            )
        except OSError as error:
            raise self._failed(f"was not started ({error})") from error
        if self._process.stdin is None or self._process.stdout is None:
            raise ChildFailed("the child has no pipes")
        self._requests = self._process.stdin
        self._replies = self._process.stdout
        os.set_blocking(self._requests.fileno(), False)
        os.set_blocking(self._replies.fileno(), False)

    def call(self, fields: Fields, buffers: Sequence[Buffer], until: "_Deadline") -> Message:
        try:
            if not self._ready:
                self._await_ready(until.within(self._limits.start_s))
            # The child ends itself at `wall_s`; this is for one that no longer can.
            wait = until.within(self._limits.wall_s + _GRACE_S)
            for piece in pack(fields, buffers):
                self._write(memoryview(piece).cast("B"), wait)
            reply = unpack(lambda view: self._read(view, wait), most=self._limits.reply_bytes)
        except (BrokenPipeError, EOFError) as error:
            raise self._ended() from error
        except TimeoutError as error:
            raise self._failed("ran out of time") from error
        except FramingError as error:
            raise self._failed(f"sent {error}") from error
        self.served += 1
        return reply

    def _await_ready(self, wait: "_Deadline") -> None:
        unpack(lambda view: self._read(view, wait), most=0)
        self._ready = True

    def _ended(self) -> ChildFailed:
        try:
            status = self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            return self._failed("closed its pipes")
        how = f"by signal {-status}" if status < 0 else f"with status {status}"
        return self._failed(f"ended {how}", status)

    def _failed(self, what: str, status: int | None = None) -> ChildFailed:
        if self._ready:
            return ChildFailed(f"the child {what} without an answer", status)
        tried = shlex.join(["python", *self._program])
        return ChildNotStarted(
            f"the child {what} before it was ready: see whether memory is left, and what"
            f" `{tried} < /dev/null` says",
            status,
        )

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._requests.close()
        self._replies.close()

    def _write(self, view: memoryview, wait: "_Deadline") -> None:
        while view:
            wait.until_ready(self._requests.fileno(), select.POLLOUT)
            view = view[os.write(self._requests.fileno(), view) :]

    def _read(self, view: memoryview, wait: "_Deadline") -> None:
        while view:
            wait.until_ready(self._replies.fileno(), select.POLLIN)
            count = os.readv(self._replies.fileno(), [view])
            if not count:
                raise EOFError
            view = view[count:]


@dataclass(frozen=True, slots=True)
class _Deadline:
    at: float
    should_stop: Callable[[], bool]

    def within(self, seconds: float) -> "_Deadline":
        return _Deadline(min(self.at, time.monotonic() + seconds), self.should_stop)

    def until_ready(self, descriptor: int, event: int) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        ready = False
        while not ready:
            ready = bool(poll.poll(_POLL_S * 1000))
            # Asked each time: a child that trickles its answer must not go on for ever.
            if time.monotonic() > self.at:
                raise TimeoutError
            if not ready and self.should_stop():
                raise ChildFailed("the child was stopped")
