"""`picmend models`: what is installed, what is missing, and how to supply it."""

import json
from pathlib import Path

from typer.testing import CliRunner

from cli import main
from processors.models.manifest import NETWORKS

# How wide a table is; no folder of supplied files but what a test names.
ENVIRONMENT = {"COLUMNS": "300", "PICMEND_MODELS": None}


def test_every_model_is_listed_with_what_it_is_for() -> None:
    done = CliRunner().invoke(main.app, ["models", "--json"], env=ENVIRONMENT)

    assert done.exit_code == 0, done.output
    models = {model["name"]: model for model in json.loads(done.stdout)["models"]}
    assert set(models) >= {entry.name for entry in NETWORKS}
    ready = models["realesr-animevideov3"]
    assert ready["state"] == "ready"
    assert ready["operations"] == ["upscale"]
    assert Path(ready["detail"]).is_file()
    assert all(len(file["sha256"]) == 64 for file in ready["files"])


def test_the_table_says_for_each_what_it_is_for_and_by_whom() -> None:
    done = CliRunner().invoke(main.app, ["models"], env=ENVIRONMENT)

    assert done.exit_code == 0
    (line,) = (line for line in done.stdout.splitlines() if "realesrgan-x4plus " in line)
    assert "upscale" in line
    assert "https://github.com/xinntao/Real-ESRGAN, BSD-3-Clause" in line
