"""What a process can do that was forked from one in which a network ran."""

import subprocess
import sys

FORKED = """
import multiprocessing
import numpy as np
from processors.engine.tiled import Engine
from processors.failures import ProcessingFailure
from processors.models.registry import Registry

registry, engine = Registry(), Engine()
pixels = np.zeros((32, 32, 3), np.uint8)
network = registry.get("waifu2x-cunet-denoise1")


def enlarge(own):
    known = Registry().get("waifu2x-cunet-denoise0") if own else network
    runs = Engine() if own else engine
    made = runs.enlarge(known, pixels, progress=lambda *_: None, should_stop=lambda: False)
    return made.pixels.shape


def colouriser(_):
    return registry.colouriser()


print(enlarge(own=False))
with multiprocessing.get_context("fork").Pool(1) as pool:
    for ask, given in ((enlarge, False), (enlarge, True), (colouriser, None)):
        try:
            pool.apply_async(ask, (given,)).get(20)
        except ProcessingFailure as failure:
            print(failure)
"""


def test_a_network_in_a_forked_process_is_refused_at_once_with_what_to_do_instead() -> None:
    child = subprocess.run(  # noqa: S603 (the program above)
        [sys.executable, "-c", FORKED], capture_output=True, text=True, check=True, timeout=60
    )
    ran, *refused = child.stdout.splitlines()

    assert ran == "(32, 32, 3)"
    assert len(refused) == 3
    assert all(each.endswith("start processes by multiprocessing's `spawn`") for each in refused)
