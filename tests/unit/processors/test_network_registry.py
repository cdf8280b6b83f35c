"""Networks are loaded once, from files that are what the manifest says."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import cast

import pytest

from processors.failures import ModelUnavailable
from processors.models.manifest import NETWORKS, NcnnModel, Precision
from processors.models.registry import Registry

FAST = next(entry for entry in NETWORKS if entry.name == "realesr-animevideov3")
FILES = cast("NcnnModel", FAST.source)


def test_threads_that_ask_at_once_share_one_network() -> None:
    registry = Registry()

    with ThreadPoolExecutor(4) as pool:
        networks = list(pool.map(registry.get, [FAST.name] * 4))

    assert all(network is networks[0] for network in networks)


def test_every_weight_file_of_the_manifest_is_installed_and_whole() -> None:
    Registry().check()


def test_altered_weights_are_refused_with_both_digests() -> None:
    altered = replace(FAST, source=replace(FILES, weights=replace(FILES.weights, sha256="0" * 64)))

    with pytest.raises(ModelUnavailable, match=rf"{FAST.sha256}, expected 0000"):
        Registry((altered,)).get(FAST.name)
    with pytest.raises(ModelUnavailable, match=rf"{FAST.sha256}, expected 0000"):
        Registry((altered,)).check()
    (status,) = Registry((altered,), supplied=()).statuses()
    assert status.state == "altered"


def test_a_missing_file_or_distribution_says_how_to_mend_it() -> None:
    gone = replace(FAST, source=replace(FILES, param=replace(FILES.param, path="nowhere.param")))
    with pytest.raises(ModelUnavailable, match=r"no file nowhere\.param; run `make install`"):
        Registry((gone,)).get(FAST.name)

    uninstalled = replace(FAST, source=replace(FILES, distribution="picmend-weights-of-nobody"))
    with pytest.raises(ModelUnavailable, match="not installed; run `make install`"):
        Registry((uninstalled,)).get(FAST.name)
    assert [status.state for status in Registry((gone,), supplied=()).statuses()] == ["missing"]


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ModelUnavailable, match="realesrgan-x4plus"):
        Registry().get("realesrgan-x9")


def test_every_entry_is_whole() -> None:
    assert len({entry.name for entry in NETWORKS}) == len(NETWORKS)
    for entry in NETWORKS:
        assert Precision.FP32 in entry.precisions
        assert entry.overlap <= entry.reach
        assert entry.operations
        assert entry.licence
        assert entry.origin.startswith("https://")
