"""What can go wrong with a stack.

StackError
├── ServerFailedError      a server did not start or did not become ready
├── PortTakenError         a port that must be used is in use
├── AlreadyRunningError    a stack already runs on this data directory
├── ProgramFailedError     one of picmend's own processes did not get ready
└── MissingServersError    the servers are not installed or not intact
"""


class StackError(Exception):
    """Base of all errors of the stack; the message says what to do."""


class ServerFailedError(StackError):
    """A server ended at start, or was not ready in time; the message has its last log lines."""


class PortTakenError(StackError):
    """A port is in use; the message names the process that has it, where that can be seen."""


class ProgramFailedError(StackError):
    """One of picmend's own processes did not get ready; the message has its last log lines."""


class AlreadyRunningError(StackError):
    """A stack already runs on this data directory."""


class MissingServersError(StackError):
    """A server's files are not installed, or could not be fetched intact."""
