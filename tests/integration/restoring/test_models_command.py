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


def test_the_doctor_fails_for_a_damaged_model_and_not_for_a_missing_one(tmp_path: Path) -> None:
    (tmp_path / "gfpgan_1.4.onnx").write_bytes(b"damaged")

    def checks(folder: Path) -> dict[str, dict[str, object]]:
        asked = ["doctor", "--json", "--models", str(folder), "--data-dir", str(tmp_path / "none")]
        done = CliRunner().invoke(main.app, asked, env=ENVIRONMENT)
        return {check["name"]: check for check in json.loads(done.stdout)["checks"]}

    def listed(folder: Path) -> dict[str, str]:
        done = CliRunner().invoke(main.app, ["models", "--json", "--models", str(folder)])
        return {each["name"]: each["detail"] for each in json.loads(done.stdout)["models"]}

    found, told = checks(tmp_path), listed(tmp_path)
    damaged, missing = found["supplied: gfpgan-1.4"], found["supplied: lama"]
    assert damaged["ok"] is False
    assert damaged["found"] == told["gfpgan-1.4"]
    assert "has sha256" in told["gfpgan-1.4"]
    assert missing["ok"] is True
    assert str(missing["found"]).endswith(told["lama"])
    assert told["lama"].endswith(f"put it into {tmp_path}")
    nowhere = checks(tmp_path / "nowhere")["supplied: gfpgan-1.4"]
    assert nowhere["ok"] is True
    assert str(nowhere["found"]).endswith("nowhere, which is no folder yet")


def test_the_table_says_for_each_what_it_is_for_and_by_whom() -> None:
    done = CliRunner().invoke(main.app, ["models"], env=ENVIRONMENT)

    assert done.exit_code == 0
    (line,) = (line for line in done.stdout.splitlines() if "realesrgan-x4plus " in line)
    assert "upscale" in line
    assert "https://github.com/xinntao/Real-ESRGAN, BSD-3-Clause" in line
