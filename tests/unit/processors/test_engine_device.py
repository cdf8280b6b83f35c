"""The device is chosen by what the machine can do, unless it is told."""

from pathlib import Path

import pytest
import torch

from processors.engine.device import Runtime, choose_device, count_cores, multiplies_bf16
from processors.models.manifest import Precision


@pytest.mark.parametrize("name", ["fp32", "bf16", "fp16"])
def test_a_precision_that_is_asked_for_is_used(name: str) -> None:
    assert choose_device(Precision(name).value).precision is Precision(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is chosen before the CPU")
def test_fp16_on_a_cpu_is_not_run_by_what_would_run_it_in_bf16() -> None:
    assert choose_device("fp16").runtime is Runtime.TORCH
    assert choose_device("bf16").runtime is Runtime.OPENVINO


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is chosen before the CPU")
def test_a_cpu_that_multiplies_in_bf16_runs_networks_in_it() -> None:
    expected = Precision.BF16 if multiplies_bf16() else Precision.FP32

    assert choose_device().precision is expected


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "100000 100000"}, 1),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1),
    ],
)
def test_a_control_group_s_limit_counts(tmp_path: Path, files: dict[str, str], cores: int) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)

    assert count_cores(tmp_path) == cores


@pytest.mark.parametrize("content", ["max 100000", "", "900000000 100000"])
def test_without_a_limit_the_machine_s_cores_count(tmp_path: Path, content: str) -> None:
    (tmp_path / "cpu.max").write_text(content)

    assert count_cores(tmp_path) == count_cores(tmp_path / "nothing") >= 1
