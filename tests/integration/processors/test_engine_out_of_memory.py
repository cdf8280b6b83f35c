"""What OpenVINO does in a process that is short of memory, and what it does not do."""

import json
import subprocess
import sys

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


def test_a_tile_that_does_not_fit_is_halved_and_nobody_is_told_of_imports() -> None:
    child = subprocess.run(  # noqa: S603 (the program above)
        [sys.executable, "-c", SHORT_OF_MEMORY], capture_output=True, text=True, check=True
    )

    seen = json.loads(child.stdout)
    assert seen["whole"] == 1
    assert seen["short"] >= 2
    assert seen["differ"] < 0.001
    assert not seen["tells"]
