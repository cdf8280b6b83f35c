"""Archives as the networks' authors publish them load by a manifest entry, and run no code."""

import hashlib
import io
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from processors.engine.device import REFERENCE
from processors.engine.tiled import Engine
from processors.models.entries import Architecture, NetworkEntry, SuppliedFile, WeightFile
from processors.models.files import WeightsMalformed
from processors.models.manifest import NETWORKS
from processors.models.registry import Registry
from processors.models.rrdbnet import RRDBNet
from processors.models.srvgg import SRVGGNetCompact

MODEL = NETWORKS[0]
LAYOUTS = ["params_ema", "params", "bare", "module."]


def network(architecture: Architecture) -> nn.Module:
    torch.manual_seed(4)
    match architecture:
        case Architecture.RRDB_6:
            return RRDBNet(blocks=6)
        case _:
            return SRVGGNetCompact(convolutions=32)


def archived(state: dict[str, Tensor], layout: str) -> object:
    match layout:
        case "params_ema":
            return {"params": {name: value * 0 for name, value in state.items()}, layout: state}
        case "params":
            return {layout: state}
        case "module.":
            return {layout + name: value for name, value in state.items()}
        case _:
            return state


def entry_of(content: bytes, architecture: Architecture, folder: Path) -> NetworkEntry:
    (folder / "own.pth").write_bytes(content)
    file = WeightFile("own.pth", hashlib.sha256(content).hexdigest())
    return replace(MODEL, name="own", architecture=architecture, source=SuppliedFile(file))


def saved(held: object) -> bytes:
    archive = io.BytesIO()
    torch.save(held, archive)
    return archive.getvalue()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("architecture", [Architecture.RRDB_6, Architecture.SRVGG_32])
def test_an_entry_is_all_that_a_model_of_a_known_architecture_needs(
    tmp_path: Path, architecture: Architecture, layout: str
) -> None:
    made = network(architecture)
    entry = entry_of(saved(archived(made.state_dict(), layout)), architecture, tmp_path)

    loaded = Registry((entry,), tmp_path).get("own")

    assert all(
        torch.equal(value, made.state_dict()[name])
        for name, value in loaded.module.state_dict().items()
    )
    picture = np.full((2, 3, 3), 90, np.uint8)
    enlarged = Engine(REFERENCE).enlarge(
        loaded, picture, progress=lambda *_: None, should_stop=lambda: False
    )
    assert enlarged.pixels.shape == (8, 12, 3)
    assert loaded.entry.sha256 == entry.source.weights.sha256


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('ran')",))


def hostile_zip() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps({"params": Hostile()}, 2))
        file.writestr("archive/version", "3\n")
    return archive.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(Hostile(), 2),
        hostile_zip(),
        b"",
        b"no archive",
        saved(None),
        saved([1, 2]),
        saved({"params": 7}),
        saved({"params": {"conv_first.weight": 7}}),
        saved({"params": {}})[:-40],
        saved({"a": torch.zeros(1)}).replace(b"OrderedDict", b"Ordered\x86ict"),
        saved({name: value.to("meta") for name, value in RRDBNet(blocks=6).state_dict().items()}),
    ],
    ids=[
        "pickle",
        "zip",
        "empty",
        "text",
        "none",
        "list",
        "number",
        "value",
        "truncated",
        "altered",
        "no values",
    ],
)
def test_what_is_no_archive_of_weights_is_refused(tmp_path: Path, content: bytes) -> None:
    entry = entry_of(content, Architecture.RRDB_6, tmp_path)

    with pytest.raises(WeightsMalformed):
        Registry((entry,), tmp_path).get("own")


def test_tensors_of_another_name_or_shape_are_refused_by_name(tmp_path: Path) -> None:
    state = network(Architecture.SRVGG_32).state_dict()

    with pytest.raises(WeightsMalformed, match=r"only the network has body\.0\.bias"):
        refused({name: value for name, value in state.items() if name != "body.0.bias"}, tmp_path)
    with pytest.raises(WeightsMalformed, match=r"only the archive has extra"):
        refused({**state, "extra": torch.zeros(1)}, tmp_path)
    with pytest.raises(WeightsMalformed, match=r"body\.0\.bias is \(64,\) in the network, \(9,\)"):
        refused({**state, "body.0.bias": torch.zeros(9)}, tmp_path)


def refused(state: dict[str, Tensor], folder: Path) -> None:
    Registry((entry_of(saved(state), Architecture.SRVGG_32, folder),), folder).get("own")
