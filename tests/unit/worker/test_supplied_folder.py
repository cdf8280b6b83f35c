"""Where a worker looks for what an operator supplies."""

from pathlib import Path

import pytest

from infra.settings import Settings
from processors.models.files import SETTING


def test_a_worker_looks_where_a_missing_model_says_to_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SETTING, str(tmp_path))

    assert Settings().models == tmp_path
