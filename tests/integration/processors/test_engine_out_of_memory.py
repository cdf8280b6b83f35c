"""What OpenVINO does in a process that is short of memory, and what it does not do."""

import json
import subprocess
import sys
from typing import Any

SHORT_OF_MEMORY = """
import json, resource, sys
import numpy as np, psutil
from processors.engine.tiled import Engine
from processors.models.registry import Registry

network = Registry().get("realesr-animevideov3")
told = []


def enlarge(engine, side):
    pixels = np.full((side, side, 3), 90, np.uint8)
    return engine.enlarge(
        network, pixels, progress=lambda *each: told.append(each), should_stop=lambda: False
    )


whole = enlarge(Engine(), 500)
another = Engine()
enlarge(another, 48)
most = psutil.Process().memory_info().vms + 150 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (most, most))
short = enlarge(another, 500)
print(json.dumps({
    "whole": whole.tiles,
    "short": short.tiles,
    "differ": float((short.pixels != whole.pixels).mean()),
    "tells": sys.modules["openvino_telemetry"] is not None,
}))
"""


CANCELLED = """
import json
from dataclasses import replace
import numpy as np, psutil
from torch import nn
from processors.engine.tiled import Cancelled, Engine
from processors.models.manifest import NETWORKS
from processors.models.registry import LoadedNetwork

wide = [nn.Conv2d(256, 256, 1) for _ in range(3)]
module = nn.Sequential(nn.Conv2d(3, 256, 1), *wide, nn.Conv2d(256, 3, 1)).eval()
network = LoadedNetwork(replace(NETWORKS[0], scale=1, overlap=0), module.requires_grad_(False))
engine, told = Engine(), []


def enlarge(side):
    engine.enlarge(
        network,
        np.full((side, side, 3), 90, np.uint8),
        progress=lambda *each: told.append(each),
        should_stop=lambda: (1, 2) in told,
    )


enlarge(48)
before = psutil.Process().memory_info().rss
try:
    enlarge(600)
except Cancelled:
    print(json.dumps({"kept": psutil.Process().memory_info().rss - before, "told": told[-1]}))
"""


def test_a_picture_that_is_cancelled_gives_its_memory_back() -> None:
    seen = run(CANCELLED)

    assert seen["told"] == [1, 2]
    assert seen["kept"] < 100 * 2**20


def test_a_tile_that_does_not_fit_is_halved_and_nobody_is_told_of_imports() -> None:
    seen = run(SHORT_OF_MEMORY)

    assert seen["whole"] == 1
    assert seen["short"] >= 2
    assert seen["differ"] < 0.001
    assert not seen["tells"]


def run(program: str) -> dict[str, Any]:
    child = subprocess.run(  # noqa: S603 (the programs above)
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    seen: dict[str, Any] = json.loads(child.stdout)
    return seen
