"""Operations by networks that the operator supplies: through the one door, by their names."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from typing_extensions import override

from processors.engine.tiled import Cancelled
from processors.failures import ModelUnavailable
from processors.images.image import Image
from processors.models.beat import Beat
from processors.models.colouriser import Colouriser
from processors.models.face_restorer import FaceRestorer, Landmarks
from processors.models.learned_fill import LearnedInpainter
from processors.models.onnx_session import Session
from processors.models.registry import Registry
from processors.operations import Restored, Restorer
from processors.operations.result import Used
from schemas.operations import (
    ColouriseParameters,
    FacesParameters,
    ImageFormat,
    InpaintParameters,
    Parameters,
    Rectangle,
)
from schemas.warnings import Warned
from tests.unit.processors.test_supplied_files import (
    DEOLDIFY,
    GFPGAN,
    MIGAN,
    deoldify,
    migan,
    supplied,
)

RNG = np.random.default_rng(8)
HOLE = Rectangle(left=4, top=2, width=3, height=5)


def restored(registry: Registry, parameters: Parameters, *, grey: bool) -> tuple[Image, Restored]:
    pixels = RNG.integers(60, 190, (20, 30, 1 if grey else 3), np.uint8)
    alpha = np.full((20, 30), 200, np.uint8)
    image = Image(pixels, alpha, b"a profile", ImageFormat.PNG, (30, 20))
    with Restorer(registry) as restorer:
        result = restorer.restore(
            parameters, image, progress=lambda *_: None, should_stop=lambda: False
        )
    return image, result


def test_a_grey_photograph_is_coloured_and_named_after_its_network(tmp_path: Path) -> None:
    entry = supplied(DEOLDIFY, deoldify(), tmp_path)

    image, result = restored(Registry((), tmp_path, (entry,)), ColouriseParameters(), grey=True)

    assert result.image.pixels.shape == (20, 30, 3)
    assert result.image.alpha is image.alpha
    assert result.image.icc is None
    assert result.report.models == (Used("deoldify-artistic", entry.sha256),)


@pytest.mark.parametrize("grey", [True, False])
def test_holes_are_filled_by_a_supplied_network_when_it_is_asked_for(
    tmp_path: Path, *, grey: bool
) -> None:
    entry = supplied(MIGAN, migan(), tmp_path)
    parameters = InpaintParameters(mask="shapes", shapes=[HOLE], engine="learned")

    image, result = restored(Registry((), tmp_path, (entry,)), parameters, grey=grey)

    changed = (result.image.pixels != image.pixels).any(axis=2)
    assert changed[2:7, 4:7].all()
    assert np.count_nonzero(changed) == 15
    assert (result.image.pixels[2:7, 4:7] == 7).all()
    assert result.report.models == (Used("mi-gan", entry.sha256),)


class Finding(Registry):
    """A registry whose faces are found where the test says."""

    def __init__(self, folder: Path, faces: list[Landmarks]) -> None:
        content = deoldify(tint=(0.5, 0.5, 0.5))
        self.entry = supplied(GFPGAN, content, folder)
        self.faces = faces
        super().__init__((), folder, (self.entry,))

    @override
    def face_restorer(self) -> FaceRestorer:
        session = Session(self.entry.name, deoldify(tint=(0.5, 0.5, 0.5)))
        return FaceRestorer(self.entry, session, lambda _: self.faces)


def test_faces_are_restored_in_the_colours_that_the_picture_has(tmp_path: Path) -> None:
    face = np.array([[10, 7], [16, 7], [13, 10], [11, 13], [15, 13]], np.float32)
    registry = Finding(tmp_path, [face])

    image, result = restored(registry, FacesParameters(), grey=True)

    assert result.image.pixels.shape == (20, 30, 1)
    assert (result.image.pixels[10, 13] != image.pixels[10, 13]).all()
    assert result.image.alpha is image.alpha
    assert result.report.models == (Used("gfpgan-1.4", registry.entry.sha256),)


def test_faces_are_restored_one_by_one_until_it_is_told_to_stop(tmp_path: Path) -> None:
    face = np.array([[10, 7], [16, 7], [13, 10], [11, 13], [15, 13]], np.float32)
    registry = Finding(tmp_path, [face, face, face])
    picture = Image(np.zeros((20, 30, 3), np.uint8), None, None, ImageFormat.PNG, (30, 20))
    told = list[tuple[int, int]]()

    def restore(*, most: int) -> None:
        told.clear()
        with Restorer(registry) as restorer:
            restorer.restore(
                FacesParameters(),
                picture,
                progress=lambda *steps: told.append(steps),
                should_stop=lambda: len(told) >= most,
            )

    restore(most=4)
    assert told == [(1, 3), (2, 3), (3, 3)]
    with pytest.raises(Cancelled):
        restore(most=2)
    assert told == [(1, 3), (2, 3)]
    assert not picture.pixels.any()


class Running(Registry):
    """A registry of networks that run until they are told to stop, beating."""

    def __init__(self) -> None:
        self.running = False
        super().__init__(())

    def run(
        self, feed: Mapping[str, npt.NDArray[np.generic]], shape: tuple[int, ...], beat: Beat
    ) -> npt.NDArray[np.float32]:
        _ = feed
        beat()
        self.running = True
        beat()
        return np.zeros(shape, np.float32)

    @override
    def inpainter(self) -> LearnedInpainter:
        return LearnedInpainter(MIGAN, self)

    @override
    def colouriser(self) -> Colouriser:
        return Colouriser(DEOLDIFY, self)

    @override
    def face_restorer(self) -> FaceRestorer:
        face = np.array([[10, 7], [16, 7], [13, 10], [11, 13], [15, 13]], np.float32)
        return FaceRestorer(GFPGAN, self, lambda _: [face])


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        (FacesParameters(), [(0, 1)]),
        (ColouriseParameters(), [(0, 1)]),
        (InpaintParameters(mask="shapes", shapes=[HOLE], engine="learned"), []),
    ],
)
def test_a_network_that_runs_tells_so_and_is_stopped_within(
    parameters: Parameters, told: list[tuple[int, int]]
) -> None:
    registry = Running()
    steps = list[tuple[int, int]]()
    picture = Image(np.zeros((20, 30, 3), np.uint8), None, None, ImageFormat.PNG, (30, 20))

    with Restorer(registry) as restorer, pytest.raises(Cancelled):
        restorer.restore(
            parameters,
            picture,
            progress=lambda *step: steps.append(step),
            should_stop=lambda: registry.running,
        )

    assert registry.running
    assert steps == told


def test_a_picture_without_a_face_is_returned_as_it_is(tmp_path: Path) -> None:
    image, result = restored(Finding(tmp_path, []), FacesParameters(), grey=False)

    assert result.image is image
    assert result.report.warnings == (Warned.NOTHING_FOUND,)


@pytest.mark.parametrize(
    "parameters",
    [
        FacesParameters(),
        ColouriseParameters(),
        InpaintParameters(mask="shapes", shapes=[HOLE], engine="learned"),
    ],
)
def test_without_its_file_it_is_told_which_would_do(tmp_path: Path, parameters: Parameters) -> None:
    with pytest.raises(ModelUnavailable, match="sha256"):
        restored(Registry((), tmp_path), parameters, grey=True)
    with (
        Restorer(Registry((), tmp_path)) as restorer,
        pytest.raises(ModelUnavailable, match="sha256"),
    ):
        restorer.prepare(parameters)
