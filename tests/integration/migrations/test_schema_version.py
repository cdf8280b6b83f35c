"""Which schema a database has, as processes see it when they start, and `picmend migrate`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from typer.testing import CliRunner

from cli import main
from infra.schema_version import KNOWN, STEPS, Standing, require_schema, standing, version

if TYPE_CHECKING:
    from infra.settings import Settings
    from infra.stack import Stack
    from infra.stack.isolation import Database


def stamp(database: Database, found: str) -> None:
    """Let the database say that it has another version of the schema."""
    with psycopg.connect(database.owner_url) as conn:
        conn.execute("UPDATE alembic_version SET version_num = %s", (found,))


def test_the_known_versions_are_the_steps_in_their_order() -> None:
    config = Config()
    config.set_main_option("script_location", str(STEPS.parent))
    config.set_main_option("path_separator", "os")
    steps = ScriptDirectory.from_config(config).walk_revisions()
    assert tuple(reversed([step.revision for step in steps])) == KNOWN


def test_the_application_can_ask_for_the_version(database: Database) -> None:
    with psycopg.connect(database.app_url) as conn:
        assert version(conn) == KNOWN[-1]
        conn.execute("SELECT FROM accounts")
    require_schema(database.app_url)


def test_a_database_that_says_nothing_is_older(database: Database) -> None:
    with psycopg.connect(database.owner_url) as conn:
        conn.execute("REVOKE SELECT ON alembic_version FROM picmend_app")
    with psycopg.connect(database.app_url) as conn:
        assert version(conn) is None
        assert standing(None) is Standing.OLDER
        conn.execute("SELECT FROM accounts")


@pytest.mark.parametrize("module", ["api", "streams", "processors.worker"])
def test_a_process_ends_at_once_on_an_older_schema_and_says_what_to_do(
    stack: Stack, database: Database, module: str
) -> None:
    stamp(database, KNOWN[-2])
    ended = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", module],
        env={**os.environ, **stack.environment, "PICMEND_DATABASE_URL": database.app_url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert f"has schema {KNOWN[-2]}" in ended.stderr
    assert "picmend migrate" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_newer_schema_is_worked_with(database: Database) -> None:
    stamp(database, "0999")
    assert standing("0999") is Standing.NEWER
    require_schema(database.app_url)


def test_a_database_that_does_not_answer_is_not_judged() -> None:
    require_schema("postgresql://picmend_app@127.0.0.1:9/picmend")


def run(settings: Settings, *words: str) -> tuple[int, str, str]:
    """Call `picmend` on the servers that the settings name; return code and both outputs."""
    urls = {
        "PICMEND_DATABASE_URL": settings.database_url.get_secret_value(),
        "PICMEND_MIGRATIONS_URL": settings.migrations_url.get_secret_value(),  # type: ignore[union-attr]  # the fixture's has one
        "PICMEND_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "PICMEND_S3_ENDPOINT": settings.s3_endpoint,
        "PICMEND_S3_ACCESS_KEY": settings.s3_access_key.get_secret_value(),
        "PICMEND_S3_SECRET_KEY": settings.s3_secret_key.get_secret_value(),
        "PICMEND_BUCKET": settings.bucket,
    }
    done = CliRunner().invoke(main.app, list(words), env=urls)
    return done.exit_code, done.stdout, done.stderr


def test_migrate_tells_each_step_that_it_takes(settings: Settings, database: Database) -> None:
    with psycopg.connect(database.owner_url) as conn:
        conn.execute("DROP SCHEMA public CASCADE")
        conn.execute("CREATE SCHEMA public")
        conn.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
    code, out, err = run(settings, "migrate", "--json")
    assert code == 0
    assert json.loads(out)["schema"] == KNOWN[-1]
    assert "0003: Every process may ask which version the schema has." in err
    code, out, err = run(settings, "migrate")
    assert (code, err) == (0, "")
    assert f"The schema is the newest, {KNOWN[-1]}" in out
