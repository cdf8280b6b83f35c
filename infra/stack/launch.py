"""Run a command that dies with its parent: `launch.py SIGNAL PARENT_PID USER COMMAND...`.

USER is a number to become that user and group first, or `-` to stay who one is.

Executed as a script by the processes of `infra.stack.child`, and gone when the command runs.
It exists because asking the kernel for this between fork and exec, inside a Python program
that has threads, is unsafe.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1
_PARENT_IS_GONE = 75


def main() -> None:
    """Ask for the signal, then become the command."""
    death_signal, parent = int(sys.argv[1]), int(sys.argv[2])
    user, command = sys.argv[3], sys.argv[4:]
    if user != "-":
        # Before the signal is asked for: a change of user would cancel it.
        os.setgroups([])
        os.setgid(int(user))
        os.setuid(int(user))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, death_signal)
        if os.getppid() != parent:
            # The parent died before it was watched, so nothing would ever end the command.
            sys.exit(_PARENT_IS_GONE)
    os.execvp(command[0], command)  # noqa: S606 - becoming the command is the purpose


if __name__ == "__main__":
    main()
