"""GFPGAN as its authors publish it: an archive of torch, read by spandrel."""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from spandrel import ModelLoader
from spandrel.architectures.GFPGAN import GFPGAN
from torch import Tensor

from processors.failures import ModelUnavailable, ProcessingFailure
from processors.models.beat import Beat
from processors.models.entries import SuppliedFile, WeightFile
from processors.models.face_restorer import FaceRestorer
from processors.models.files import WeightsMalformed
from processors.models.gfpgan_archive import GfpganArchive
from processors.models.registry import Registry
from processors.models.srvgg import SRVGGNetCompact
from processors.models.supplied import SUPPLIED, Kind
from processors.models.supplied_network import opened
from processors.models.torch_archive import state_dict

ENTRY = next(entry for entry in SUPPLIED if entry.kind is Kind.GFPGAN_ARCHIVE)
FACES = tuple(entry for entry in SUPPLIED if entry.kind in {Kind.GFPGAN, Kind.GFPGAN_ARCHIVE})
EYES_NOSE_MOUTH = np.array([[80, 90], [110, 90], [95, 108], [82, 121], [108, 121]], np.float32)


def archive(**held: object) -> bytes:
    content = io.BytesIO()
    torch.save(held, content)
    return content.getvalue()


def drawn(shapes: dict[str, torch.Size]) -> dict[str, Tensor]:
    """Return weights of those shapes, all views of one row, so that the archive is small."""
    most = max(shape.numel() for shape in shapes.values())
    row = torch.randn(most, generator=torch.Generator().manual_seed(5)) / 20
    return {name: row[: shape.numel()].view(shape) for name, shape in shapes.items()}


def published() -> bytes:
    """Return an archive as GFPGAN's authors make them."""
    with torch.device("meta"):
        shapes = {
            name: value.shape
            for name, value in GFPGAN(channel_multiplier=2, input_is_latent=True, different_w=True)
            .state_dict()
            .items()
        }
    return archive(params_ema=drawn(shapes))


class BySpandrel:
    """The network as spandrel makes it, called as its authors do, but for the noise."""

    def __init__(self, archive: bytes) -> None:
        self.network = ModelLoader().load_from_state_dict(state_dict(archive)).model.eval()

    def run(
        self, feed: Mapping[str, npt.NDArray[np.generic]], shape: tuple[int, ...], beat: Beat
    ) -> npt.NDArray[np.float32]:
        _ = shape, beat
        with torch.no_grad():
            made = self.network(torch.from_numpy(feed["input"]), randomize_noise=False)[0]
        output: npt.NDArray[np.float32] = made.numpy()
        return output


def go_on() -> None:
    """Beat without stopping."""


def test_an_archive_restores_a_face_as_spandrel_does_and_nothing_else() -> None:
    archive = published()
    network = opened(ENTRY, archive)
    pixels = np.random.default_rng(1).integers(0, 256, (200, 300, 3), np.uint8)

    ours, theirs = pixels.copy(), pixels.copy()
    FaceRestorer(ENTRY, network, lambda _: []).restore(ours, EYES_NOSE_MOUTH, go_on)
    FaceRestorer(ENTRY, BySpandrel(archive), lambda _: []).restore(theirs, EYES_NOSE_MOUTH, go_on)

    assert (ours == theirs).all()
    assert (ours[80:120, 80:110] != pixels[80:120, 80:110]).any()
    assert (ours[:, 200:] == pixels[:, 200:]).all()
    nowhere_finite = np.full((1, 3, 512, 512), np.nan, np.float32)
    with pytest.raises(ProcessingFailure, match="finite"):
        network.run({"input": nowhere_finite}, nowhere_finite.shape, go_on)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"no archive at all", "more, or less, than weights"),
        (archive(params_ema={"toRGB.0.weight": torch.zeros(3)}), "no archive that spandrel knows"),
        (archive(params_ema={"a": 1}), "no table of tensors"),
        (
            archive(
                params_ema={
                    "toRGB.0.weight": torch.zeros(3),
                    "stylegan_decoder.style_mlp.1.weight": torch.zeros(3),
                }
            ),
            "has not the tensors of its network: Error.{,200}$",
        ),
    ],
)
def test_what_is_no_gfpgan_is_refused(content: bytes, told: str) -> None:
    with pytest.raises(WeightsMalformed, match=told):
        GfpganArchive("own", content)


def test_an_archive_of_another_architecture_is_refused_by_its_name() -> None:
    state = SRVGGNetCompact(convolutions=16, scale=4).state_dict()

    with pytest.raises(WeightsMalformed, match="an archive of RealESRGAN Compact, not GFPGAN"):
        GfpganArchive("own", archive(params=state))


def test_an_archive_that_would_run_code_runs_none(tmp_path: Path) -> None:
    sign = tmp_path / "ran"

    class Hostile:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (sign,)

    with pytest.raises(WeightsMalformed):
        GfpganArchive("own", archive(params_ema={"toRGB.0.weight": Hostile()}))

    assert not sign.exists()


def test_without_either_file_both_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable) as missing:
        Registry((), tmp_path).face_restorer()

    for entry in FACES:
        for part in (entry.source.weights.path, entry.sha256, entry.origin):
            assert part in str(missing.value)


def test_an_archive_alone_is_enough_for_faces(tmp_path: Path) -> None:
    (tmp_path / "own.pth").write_bytes(b"no archive at all")
    digest = hashlib.sha256(b"no archive at all").hexdigest()
    own = replace(ENTRY, source=SuppliedFile(WeightFile("own.pth", digest)))
    onnx = next(entry for entry in SUPPLIED if entry.kind is Kind.GFPGAN)

    # It is opened, and not the missing file complained of.
    with pytest.raises(WeightsMalformed):
        Registry((), tmp_path, (onnx, own)).face_restorer()
