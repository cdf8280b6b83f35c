"""The engine runs any network over tiles without a seam, and minds what it is told."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from processors.engine.colour import hold_colour
from processors.engine.device import CPU, Device
from processors.engine.tiled import Cancelled, Engine, NotFinite
from processors.models.manifest import NETWORKS, Precision
from processors.models.registry import LoadedNetwork

RNG = np.random.default_rng(11)


class Neighbours(nn.Module):
    """Enlarges twice the sum of a pixel's neighbourhood, 2 pixels far."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.blur = nn.Conv2d(3, 3, 5, padding=2, bias=False)
        nn.init.constant_(self.blur.weight, gain)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.interpolate(self.blur(x), scale_factor=2.0)


class Scaled(nn.Module):
    """Leaves a picture as it is, by way of numbers `by` times as large."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.by) / self.by


def network(module: nn.Module, scale: int, overlap: int = 2, multiple: int = 1) -> LoadedNetwork:
    entry = replace(
        NETWORKS[0], name=type(module).__name__, scale=scale, overlap=overlap, multiple=multiple
    )
    return LoadedNetwork(entry, module.eval().requires_grad_(requires_grad=False))


def picture(height: int = 31, width: int = 47) -> npt.NDArray[np.uint8]:
    return RNG.integers(0, 256, (height, width, 3), np.uint8)


def ignore(_done: int, _total: int) -> None:
    """Take no note of progress."""


def never() -> bool:
    return False


@pytest.mark.parametrize("multiple", [1, 4])
def test_tiles_with_overlap_equal_the_whole(multiple: int) -> None:
    blur = network(Neighbours(1 / 75), scale=2, multiple=multiple)
    pixels = picture(32, 48)
    engine = Engine(CPU)

    whole = engine.enlarge(blur, pixels, progress=ignore, should_stop=never, tile=100)
    tiled = engine.enlarge(blur, pixels, progress=ignore, should_stop=never, tile=7)

    assert (whole.tiles, tiled.tiles) == (1, 35)
    assert whole.pixels.shape == (64, 96, 3)
    difference = np.abs(whole.pixels.astype(int) - tiled.pixels)
    assert difference.max() <= 1


def test_progress_is_told_after_each_tile() -> None:
    told: list[tuple[int, int]] = []

    Engine(CPU).enlarge(
        network(Scaled(1.0), scale=1),
        picture(20, 30),
        progress=lambda done, total: told.append((done, total)),
        should_stop=never,
        tile=10,
    )

    assert told == [(index, 6) for index in range(1, 7)]


def test_the_work_stops_before_the_next_tile_once_asked_to() -> None:
    told: list[int] = []

    with pytest.raises(Cancelled):
        Engine(CPU).enlarge(
            network(Scaled(1.0), scale=1),
            picture(20, 30),
            progress=lambda done, _total: told.append(done),
            should_stop=lambda: len(told) == 2,
            tile=10,
        )

    assert told == [1, 2]


def test_a_tile_that_overflows_in_fp16_is_done_again_in_fp32() -> None:
    engine = Engine(Device("cpu", Precision.FP16))
    pixels = picture(8, 8)

    enlarged = engine.enlarge(
        network(Scaled(1e6), scale=1), pixels, progress=ignore, should_stop=never
    )

    assert enlarged.redone == enlarged.tiles == 1
    assert (enlarged.pixels == pixels).all()


def test_a_network_that_overflows_in_fp32_too_is_an_error() -> None:
    with pytest.raises(NotFinite):
        Engine(CPU).enlarge(
            network(Scaled(1e39), scale=1),
            np.full((4, 4, 3), 255, np.uint8),
            progress=ignore,
            should_stop=never,
        )


def test_the_registry_s_network_is_left_in_fp32() -> None:
    blur = network(Neighbours(0.01), scale=2)

    Engine(Device("cpu", Precision.FP16)).enlarge(
        blur, picture(8, 8), progress=ignore, should_stop=never
    )

    assert all(value.dtype is torch.float32 for value in blur.module.state_dict().values())


def test_a_shift_of_colour_is_taken_back_and_detail_is_left() -> None:
    original = np.full((300, 40, 3), 100, np.uint8)
    original[:, :20] = 140
    enlarged = original.repeat(4, 0).repeat(4, 1)
    detail = np.where(np.indices(enlarged.shape).sum(axis=0) % 2, 6, -6)
    shifted = (enlarged + detail + np.array([5, -4, 3])).astype(np.uint8)

    held = hold_colour(shifted, original, 4)

    assert np.abs(held.mean(axis=(0, 1)) - original.mean(axis=(0, 1))).max() < 0.5
    assert np.abs(held.astype(int) - (enlarged + detail)).max() <= 1
