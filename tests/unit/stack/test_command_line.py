import importlib.util
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from cli.main import ENTRIES, Entry, app

HEAVY = ("kafka", "psycopg", "torch", "minio", "faust", "fastapi")


def test_help_lists_every_command_and_the_exit_codes() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    for entry in ENTRIES:
        assert entry.name in result.output
    assert "Exit codes" in result.output


def test_help_imports_none_of_what_commands_need() -> None:
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from cli.main import app\n"
        "CliRunner().invoke(app, ['--help'])\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run(  # noqa: S603 - this very Python, with the code above
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_command_leads_to_a_module_and_explains_itself(
    entry: Entry,
) -> None:
    name = entry.name
    module = entry.place.partition(":")[0]
    assert importlib.util.find_spec(module) is not None
    result = CliRunner().invoke(app, [name, "--help"])
    assert result.exit_code == 0, result.output


def test_a_command_lists_exit_codes_once_and_only_its_own() -> None:
    result = CliRunner().invoke(app, ["restore", "--help"])
    assert result.output.count("Exit codes:") == 1
    assert "130" in result.output
    assert "stack" not in result.output


def test_a_command_without_a_stack_says_how_to_start_one(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    nowhere = tmp_path_factory.mktemp("nothing")
    result = CliRunner().invoke(app, ["status", "--data-dir", str(nowhere)])
    assert result.exit_code == 3
    assert "picmend up" in result.output


def test_an_unknown_process_is_a_wrong_call() -> None:
    result = CliRunner().invoke(app, ["up", "--processes", "api,nonsense"])
    assert result.exit_code == 2
    assert "nonsense" in result.output
