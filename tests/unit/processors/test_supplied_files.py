"""Files that the operator supplies: pinned, explained when missing, and run as they are made."""

import hashlib
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import psutil
import pytest
import torch
from onnx import TensorProto, helper

from processors.failures import ModelUnavailable, ProcessingFailure
from processors.models.entries import SuppliedFile, WeightFile
from processors.models.face_restorer import FaceFinder, FaceRestorer
from processors.models.files import FileAltered, WeightsMalformed
from processors.models.gfpgan_archive import GfpganArchive
from processors.models.learned_fill import LearnedInpainter
from processors.models.onnx_session import Session
from processors.models.registry import Registry
from processors.models.supplied import SUPPLIED, Kind, SuppliedEntry

MIGAN, LAMA, DEOLDIFY, GFPGAN, YUNET = (
    next(entry for entry in SUPPLIED if entry.kind is kind)
    for kind in (Kind.MIGAN, Kind.LAMA, Kind.DEOLDIFY, Kind.GFPGAN, Kind.YUNET)
)
RNG = np.random.default_rng(3)


def go_on() -> None:
    """Beat without stopping."""


def saved(nodes: list[onnx.NodeProto], kind: int, output: str, *values: float) -> bytes:
    """Return an ONNX file with MI-GAN's and LaMa's inputs, `image` and `mask`."""
    graph = helper.make_graph(
        nodes,
        "fill",
        [
            helper.make_tensor_value_info("image", kind, [1, 3, 512, 512]),
            helper.make_tensor_value_info("mask", kind, [1, 1, 512, 512]),
        ],
        [helper.make_tensor_value_info(output, kind, [1, 3, 512, 512])],
        [helper.make_tensor(f"value{n}", kind, [1], [value]) for n, value in enumerate(values)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


def migan() -> bytes:
    """MI-GAN as it is fed, filling with 7: known pixels (mask 255) as they are."""
    return saved(
        [
            helper.make_node("Equal", ["mask", "value0"], ["known"]),
            helper.make_node("Where", ["known", "image", "value1"], ["result"]),
        ],
        TensorProto.UINT8,
        "result",
        255,
        7,
    )


def lama() -> bytes:
    """LaMa as it is fed, filling with 7: image in 0..1, holes 1, the output in 0..255."""
    return saved(
        [
            helper.make_node("Mul", ["image", "value0"], ["levels"]),
            helper.make_node("Equal", ["mask", "value1"], ["missing"]),
            helper.make_node("Where", ["missing", "value2", "levels"], ["output"]),
        ],
        TensorProto.FLOAT,
        "output",
        255,
        1,
        7,
    )


def supplied(entry: SuppliedEntry, content: bytes, folder: Path) -> SuppliedEntry:
    (folder / "net.onnx").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return replace(entry, source=SuppliedFile(WeightFile("net.onnx", digest)))


def inpainter(entry: SuppliedEntry, content: bytes, folder: Path) -> LearnedInpainter:
    return Registry((), folder, (supplied(entry, content, folder),)).inpainter()


@pytest.mark.parametrize("size", [(512, 512), (40, 60), (1, 1), (90, 700)])
@pytest.mark.parametrize(("entry", "made"), [(MIGAN, migan), (LAMA, lama)])
def test_a_supplied_network_fills_holes_and_nothing_else(
    tmp_path: Path, entry: SuppliedEntry, made: Callable[[], bytes], size: tuple[int, int]
) -> None:
    pixels = RNG.integers(0, 256, (*size, 3), np.uint8)
    holes = RNG.random(size) < 0.3
    holes[0, 0] = True

    filled = inpainter(entry, made(), tmp_path).fill(pixels, holes, go_on)

    assert filled.dtype == np.uint8
    assert (filled[~holes] == pixels[~holes]).all()
    if max(size) <= 512:
        assert (filled[holes] == 7).all()


def test_what_is_near_a_hole_of_a_large_picture_counts_as_missing(tmp_path: Path) -> None:
    pixels = np.full((600, 1200, 3), 200, np.uint8)
    holes = np.zeros((600, 1200), np.bool_)
    holes[301:352, 501:602] = True
    pixels[holes] = 0

    filled = inpainter(MIGAN, migan(), tmp_path).fill(pixels, holes, go_on)

    assert np.abs(filled[holes][:, 0].astype(int) - 7).max() <= 60
    assert (filled[310:340, 520:580] == 7).all()


def test_a_network_of_another_shape_is_refused(tmp_path: Path) -> None:
    shrinking = saved(
        [helper.make_node("MaxPool", ["image"], ["output"], kernel_shape=[2, 2], strides=[2, 2])],
        TensorProto.FLOAT,
        "output",
    )
    pixels, holes = np.zeros((8, 8, 3), np.uint8), np.ones((8, 8), np.bool_)

    with pytest.raises(WeightsMalformed, match="256"):
        inpainter(LAMA, shrinking, tmp_path).fill(pixels, holes, go_on)


def test_a_network_that_wants_other_inputs_is_refused_by_their_names(tmp_path: Path) -> None:
    pixels, holes = np.zeros((8, 8, 3), np.uint8), np.ones((8, 8), np.bool_)

    with pytest.raises(WeightsMalformed, match=r"takes \{'input'\}"):
        inpainter(LAMA, deoldify(), tmp_path).fill(pixels, holes, go_on)


def test_a_network_that_cannot_be_run_or_fills_with_nan_fails_the_picture(tmp_path: Path) -> None:
    pixels, holes = np.zeros((8, 8, 3), np.uint8), np.ones((8, 8), np.bool_)
    without_end = [
        helper.make_node("Log", ["value0"], ["nan"]),
        helper.make_node("Add", ["image", "nan"], ["output"]),
    ]

    with pytest.raises(ProcessingFailure, match="could not be run"):
        inpainter(LAMA, migan(), tmp_path).fill(pixels, holes, go_on)
    with pytest.raises(ProcessingFailure, match="not finite"):
        inpainter(LAMA, saved(without_end, TensorProto.FLOAT, "output", -1), tmp_path).fill(
            pixels, holes, go_on
        )


def test_without_the_package_that_runs_a_file_it_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setitem(sys.modules, "spandrel", None)

    for package, open_file in {"onnxruntime": Session, "spandrel": GfpganArchive}.items():
        with pytest.raises(ModelUnavailable, match="pip install picmend\\[supplied\\]") as missing:
            open_file("own", b"")
        assert missing.value.found == f"own needs {package}"


def test_a_package_that_cannot_be_imported_is_told_as_a_missing_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spandrel.py").write_text("raise RuntimeError('made for another torch')")
    monkeypatch.delitem(sys.modules, "spandrel", raising=False)
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ModelUnavailable, match="made for another torch"):
        GfpganArchive("own", b"")


def test_a_network_has_as_many_threads_as_torch() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        before = psutil.Process().num_threads()
        session = Session(LAMA.name, lama())
        assert psutil.Process().num_threads() == before
        del session
    finally:
        torch.set_num_threads(threads)


def deoldify(tint: tuple[float, float, float] = (1.2, 0.9, 0.9)) -> bytes:
    """DeOldify, or GFPGAN, as it is fed: everything times `tint`, by default redder."""
    shape = ["N", 3, "H", "W"]
    graph = helper.make_graph(
        [helper.make_node("Mul", ["input", "tint"], ["output"])],
        "colour",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)],
        [helper.make_tensor("tint", TensorProto.FLOAT, [1, 3, 1, 1], tint)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("size", [(1, 1), (90, 700)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_supplied_network_colours_and_leaves_lightness_alone(
    tmp_path: Path, size: tuple[int, int], channels: int
) -> None:
    grey = np.tile(RNG.integers(60, 190, (*size, 1), np.uint8), (1, 1, channels))
    registry = Registry((), tmp_path, (supplied(DEOLDIFY, deoldify(), tmp_path),))

    coloured = registry.colouriser().colourise(grey, go_on)

    assert coloured.shape == (*size, 3)
    assert (coloured[..., 0] > coloured[..., 2]).all()
    lightness = cv2.cvtColor(coloured, cv2.COLOR_RGB2LAB)[..., 0].astype(int)
    before = cv2.cvtColor(np.tile(grey[..., :1], (1, 1, 3)), cv2.COLOR_RGB2LAB)[..., 0]
    assert np.abs(lightness - before).max() <= 2


def test_a_supplied_network_restores_faces_and_nothing_else(tmp_path: Path) -> None:
    brightening = deoldify(tint=(0.5, 0.5, 0.5))  # -1..1 towards the middle: paler
    entry = supplied(GFPGAN, brightening, tmp_path)
    session = Session(entry.name, brightening)
    eyes_nose_mouth = np.array([[80, 90], [110, 90], [95, 108], [82, 121], [108, 121]], np.float32)
    pixels = np.full((200, 300, 3), 20, np.uint8)

    FaceRestorer(entry, session, lambda _: []).restore(pixels, eyes_nose_mouth, go_on)

    assert (pixels[100, 95] == 74).all()
    assert (pixels[:, 200:] == 20).all()


def test_faces_need_both_files_and_name_the_one_that_is_missing(tmp_path: Path) -> None:
    entry = supplied(GFPGAN, deoldify(), tmp_path)

    with pytest.raises(ModelUnavailable, match=GFPGAN.sha256):
        Registry((), tmp_path).face_restorer()
    with pytest.raises(ModelUnavailable, match=YUNET.sha256):
        Registry((), tmp_path, (entry, YUNET)).face_restorer()


def test_a_finder_of_faces_that_is_no_network_is_refused() -> None:
    with pytest.raises(WeightsMalformed, match="finder of faces"):
        FaceFinder(b"no network at all")


def test_a_finder_of_faces_that_is_another_network_fails_the_picture() -> None:
    with pytest.raises(ProcessingFailure, match="looked for"):
        FaceFinder(deoldify())(np.zeros((100, 100, 3), np.uint8))


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsMalformed, match="no ONNX file"):
        inpainter(LAMA, b"no network at all", tmp_path)


def test_a_missing_file_is_named_with_its_digest_its_origin_and_its_place(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable) as missing:
        Registry((), tmp_path).inpainter()
    for entry in (MIGAN, LAMA):
        for part in (entry.source.weights.path, entry.sha256, entry.origin, str(tmp_path)):
            assert part in str(missing.value)

    with pytest.raises(ModelUnavailable, match="PICMEND_MODELS"):
        Registry(()).inpainter()


def test_another_file_of_that_name_is_refused_with_both_digests(tmp_path: Path) -> None:
    entry = supplied(LAMA, lama(), tmp_path)
    (tmp_path / "net.onnx").write_bytes(b"another")
    registry = Registry((), tmp_path, (entry,))

    with pytest.raises(ModelUnavailable) as altered:
        registry.inpainter()

    assert entry.sha256 in str(altered.value)
    assert hashlib.sha256(b"another").hexdigest() in str(altered.value)
    assert [status.state for status in registry.statuses()] == ["altered"]


def test_a_file_that_cannot_be_read_is_no_missing_one(tmp_path: Path) -> None:
    entry = supplied(LAMA, lama(), tmp_path)
    (tmp_path / "net.onnx").unlink()
    # Nobody, root neither, can read this from its beginning.
    (tmp_path / "net.onnx").symlink_to("/proc/self/mem")
    registry = Registry((), tmp_path, (entry,))

    with pytest.raises(FileAltered, match="cannot be read"):
        registry.inpainter()
    assert [status.state for status in registry.statuses()] == ["altered"]


def test_states_tell_what_is_supplied_and_what_is_not(tmp_path: Path) -> None:
    entry = supplied(LAMA, lama(), tmp_path)

    statuses = Registry((), tmp_path, (MIGAN, entry)).statuses()

    assert [status.state for status in statuses] == ["missing", "ready"]
    assert MIGAN.sha256 in statuses[0].detail
    assert statuses[1].detail == str(tmp_path / "net.onnx")


def test_the_guide_names_every_supplied_file_with_its_digest() -> None:
    guide = (Path(__file__).parents[3] / "docs/guide/models.md").read_text()

    for entry in SUPPLIED:
        assert f"| `{entry.name}` |" in guide
        assert f"{entry.sha256}  {entry.source.weights.path}\n" in guide
