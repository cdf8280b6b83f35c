"""Choosing where a stack comes from: external servers, containers, or plain processes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.stack.assembly import Provider, Report, open_local
from infra.stack.docker import DockerProvider
from infra.stack.errors import StackError
from infra.stack.external import external_stack, prepare
from infra.stack.native import NativeProvider
from infra.stack.stack import Stack


@contextmanager
def open_stack(
    data_dir: Path,
    *,
    notifications: bool = True,
    durable: bool = True,
    migrate: bool = True,
    report: Report | None = None,
) -> Iterator[Stack]:
    """Give a running stack for as long as the context lasts.

    Which one: the servers that `PICMEND_KAFKA_BOOTSTRAP`, `PICMEND_DATABASE_URL` and
    `PICMEND_S3_ENDPOINT` name, if all three are set; containers, if `PICMEND_STACK=docker`;
    otherwise plain processes with their state under `data_dir`. What was started ends with
    the context, and nothing else does.

    `notifications=False` keeps the store from announcing uploads. `durable=False` makes
    Postgres fast and careless of power cuts, for tests. `migrate=False` leaves the database
    empty. `report` is told each step as it begins.

    Raises `StackError`.
    """
    tell = report or _silent
    external = external_stack(os.environ, data_dir)
    if external is not None:
        tell("using the servers that PICMEND_* variables name")
        prepare(external.settings(), migrate=migrate)
        yield external
        return
    kind = os.environ.get("PICMEND_STACK", "native")
    match kind:
        case "native":
            provider: Provider = NativeProvider()
        case "docker":
            provider = DockerProvider()
        case _:
            raise StackError(f"PICMEND_STACK is {kind!r}; it can be native or docker")
    with open_local(
        data_dir,
        provider,
        notifications=notifications,
        durable=durable,
        migrate=migrate,
        report=tell,
    ) as stack:
        yield stack


def _silent(_: str) -> None:
    return
