"""Running Postgres on a machine where everything is root: it refuses to be root itself.

Two ways, tried in this order: a user namespace in which root's own files belong to an
ordinary user, and a change to the user `nobody`, who then must own the data and be able to
pass every folder above it.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from infra.stack.errors import MissingServersError

_NOBODY: Final = 65534


class Way(StrEnum):
    """How a command is kept from being root."""

    PLAIN = "plain"
    NAMESPACE = "namespace"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class RunAs:
    """What to give to the process that must not be root."""

    inside: tuple[str, ...] = ()
    user: int | None = None

    def own(self, folder: Path) -> None:
        """Make `folder` a place where that process can write."""
        folder.mkdir(parents=True, exist_ok=True)
        if self.user is not None:
            os.chown(folder, self.user, self.user)


_RUN_AS: Final = {
    Way.PLAIN: RunAs(),
    Way.NAMESPACE: RunAs(
        inside=("unshare", "--user", f"--map-user={_NOBODY}", f"--map-group={_NOBODY}")
    ),
    Way.NOBODY: RunAs(user=_NOBODY),
}


def run_as(program: Path, folder: Path, ways: tuple[Way, ...] | None = None) -> RunAs:
    """Return the first way in which `program` runs, is not root and reaches `folder`.

    Raises `MissingServersError` with what each way answered when none works.
    """
    if ways is None:
        ways = (Way.PLAIN,) if os.geteuid() != 0 else (Way.NAMESPACE, Way.NOBODY)
    refusals: list[str] = []
    for way in ways:
        chosen = _RUN_AS[way]
        if chosen.inside and shutil.which(chosen.inside[0]) is None:
            refusals.append(f"{way}: no command {chosen.inside[0]}")
            continue
        refusal = _try(chosen, program, folder)
        if refusal is None:
            return chosen
        refusals.append(f"{way}: {refusal}")
    raise MissingServersError(
        f"cannot run {program.name} as an ordinary user for {folder} ({'; '.join(refusals)}); "
        "run picmend as a user that is not root, or put its data and its virtual environment "
        "where every user can reach them, such as /var/lib/picmend"
    )


def _try(chosen: RunAs, program: Path, folder: Path) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - a server's binary, asked for its version
            [*chosen.inside, str(program), "--version"],
            cwd=folder,
            user=chosen.user,
            group=chosen.user,
            extra_groups=None if chosen.user is None else [],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        return str(error)
    return None if done.returncode == 0 else done.stderr.strip() or f"code {done.returncode}"
