"""What a backup or restore refuses, and what it leaves as it was then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from typer.testing import CliRunner

from cli import main
from domain.accounts.model import AccountKind
from domain.pipeline.enrol import enrol
from infra.backup import NotEmptyError, ToolError, database, manifest
from infra.backup.put_back import put_back
from infra.clock import SystemClock
from infra.migrations import upgrade
from infra.stack.isolation import own_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from infra.settings import Settings
    from infra.stack import Stack
    from infra.stack.isolation import Database


@pytest.fixture
def fresh(stack: Stack, database_template: str) -> Iterator[Database]:
    """Another migrated, empty database."""
    with own_database(stack.settings(), database_template) as own:
        yield own


def picmend(settings: Settings, at: Database, *words: str) -> tuple[int, str]:
    """Call the command with the servers of the settings and this database."""
    env = {
        "PICMEND_DATABASE_URL": at.app_url,
        "PICMEND_MIGRATIONS_URL": at.owner_url,
        "PICMEND_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "PICMEND_S3_ENDPOINT": settings.s3_endpoint,
        "PICMEND_S3_ACCESS_KEY": settings.s3_access_key.get_secret_value(),
        "PICMEND_S3_SECRET_KEY": settings.s3_secret_key.get_secret_value(),
        "PICMEND_BUCKET": settings.bucket,
    }
    done = CliRunner().invoke(main.app, list(words), env=env)
    return done.exit_code, done.output


def add_an_account(at: Database) -> None:
    with psycopg.connect(at.app_url) as conn:
        enrol(conn, name="Ada", kind=AccountKind.COMPANY, unit="CNY", clock=SystemClock())


def accounts(at: Database) -> int:
    with psycopg.connect(at.app_url) as conn:
        row = conn.execute("SELECT count(*) FROM accounts").fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def copy(settings: Settings, database: Database, tmp_path: Path) -> Path:
    """A backup of the test's database, which holds an account."""
    add_an_account(database)
    code, told = picmend(settings, database, "backup", str(tmp_path / "copy"))
    assert code == 0, told
    return tmp_path / "copy"


def test_a_backup_is_for_its_owner_alone_and_holds_no_secret(
    settings: Settings, copy: Path
) -> None:
    assert settings.migrations_url is not None
    for path in copy.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
        body = path.read_bytes()
        for secret in (
            settings.s3_secret_key.get_secret_value(),
            settings.migrations_url.get_secret_value().split(":")[2].split("@")[0],
        ):
            assert secret.encode() not in body


def test_a_database_that_holds_something_is_not_restored_into(
    settings: Settings, copy: Path, database: Database
) -> None:
    code, told = picmend(settings, database, "recover", str(copy))
    assert code == 1
    assert "not empty (accounts 1, credentials 1, ledger_accounts 5)" in told
    assert accounts(database) == 1


def test_a_database_that_a_process_uses_is_not_restored_into(
    settings: Settings, copy: Path, fresh: Database
) -> None:
    with psycopg.connect(fresh.app_url, application_name="picmend-api"):
        code, told = picmend(settings, fresh, "recover", str(copy))
    assert code == 1
    assert "picmend-api" in told
    assert accounts(fresh) == 0


def test_a_damaged_backup_is_not_restored(settings: Settings, copy: Path, fresh: Database) -> None:
    dump = copy / "database.dump"
    dump.write_bytes(dump.read_bytes()[:-1] + b"?")
    code, told = picmend(settings, fresh, "recover", str(copy))
    assert code == 1
    assert "not as it was written" in told
    assert accounts(fresh) == 0


def test_a_backup_over_an_older_one_is_refused(
    settings: Settings, copy: Path, database: Database
) -> None:
    before = (copy / manifest.NAME).read_bytes()
    code, told = picmend(settings, database, "backup", str(copy))
    assert code == 1
    assert "name a new folder" in told
    assert (copy / manifest.NAME).read_bytes() == before


def test_a_load_that_fails_leaves_an_empty_database_for_the_next_try(
    copy: Path, fresh: Database
) -> None:
    made = manifest.read(copy)
    dump = copy / "database.dump"
    whole = dump.read_bytes()
    dump.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ToolError, match="pg_restore failed"):
        put_back(made, copy, owner_url=fresh.owner_url, tell=print)
    database.require_empty(fresh.owner_url)
    dump.write_bytes(whole)
    put_back(made, copy, owner_url=fresh.owner_url, tell=print)
    assert accounts(fresh) == 1
    with pytest.raises(NotEmptyError):
        put_back(made, copy, owner_url=fresh.owner_url, tell=print)


def test_what_guards_the_ledger_is_back_after_a_load(copy: Path, fresh: Database) -> None:
    put_back(manifest.read(copy), copy, owner_url=fresh.owner_url, tell=print)
    with psycopg.connect(fresh.owner_url) as conn:
        with pytest.raises(psycopg.errors.RestrictViolation):
            conn.execute("DELETE FROM ledger_accounts")
        conn.rollback()
    with (
        psycopg.connect(fresh.app_url) as conn,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        conn.execute("UPDATE ledger_accounts SET balance = 0")


def test_a_backup_of_an_older_schema_is_brought_to_the_newest(
    copy: Path, fresh: Database, tmp_path: Path
) -> None:
    with psycopg.connect(fresh.owner_url) as conn:
        conn.execute("DROP SCHEMA public CASCADE")
        conn.execute("CREATE SCHEMA public")
        conn.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
    upgrade(fresh.owner_url, to="0002")
    older = tmp_path / "older"
    manifest.begin(older)
    with database.moment(fresh.owner_url) as moment:
        database.dump(fresh.owner_url, older / "database.dump", moment.snapshot)
    made = manifest.read(copy)
    made = made.model_copy(
        update={
            "database": made.database.model_copy(
                update={
                    "schema_version": "0002",
                    "rows": dict(moment.rows),
                    "file": manifest.seal(older / "database.dump"),
                }
            )
        }
    )
    told: list[str] = []
    put_back(made, older, owner_url=fresh.owner_url, tell=told.append)
    assert told[1].startswith("bringing the schema from 0002 to ")
