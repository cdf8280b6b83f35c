"""Kafka, Postgres and an S3 object store, through one interface with three providers.

`open_stack` gives the servers; `running` gives picmend's own processes on top of them.
"""

from infra.stack.assembly import Report
from infra.stack.errors import StackError
from infra.stack.provide import open_stack
from infra.stack.running import ProcessHandle, Running, running
from infra.stack.stack import Stack

__all__ = ["ProcessHandle", "Report", "Running", "Stack", "StackError", "open_stack", "running"]
