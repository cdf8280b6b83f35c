"""The engine runs any network over tiles without a seam, and minds what it is told."""

import threading
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from processors.engine.colour import hold_colour
from processors.engine.device import REFERENCE, Device, Runtime
from processors.engine.tiled import Cancelled, Engine, NotFinite, TooLittleMemory
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
        return nn.functional.interpolate(self.blur(x.to(self.blur.weight.dtype)), scale_factor=2.0)


class Scaled(nn.Module):
    """Leaves a picture as it is, by way of numbers `by` times as large."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by
        self.enlarge = nn.Conv2d(3, 3, 1, bias=False)
        nn.init.dirac_(self.enlarge.weight)
        self.enlarge.weight.data.mul_(by)

    def forward(self, x: Tensor) -> Tensor:
        enlarged: Tensor = self.enlarge(x.to(self.enlarge.weight.dtype))
        return enlarged / self.by


class Hungry(nn.Module):
    """Leaves pictures as they are; past the first `sated`, large ones take too much memory."""

    def __init__(self, area: int, sated: int = 0) -> None:
        super().__init__()
        self.area = area
        self.sated = sated
        self.failed = 0

    def __deepcopy__(self, memo: dict[int, object]) -> "Hungry":
        return self

    def forward(self, x: Tensor) -> Tensor:
        self.sated -= 1
        if self.sated < 0 and x.shape[0] * x.shape[2] * x.shape[3] > self.area:
            self.failed += 1
            torch.empty(1 << 60, dtype=torch.uint8)
        return x * 1.0


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
    engine = Engine(REFERENCE)

    whole = engine.enlarge(blur, pixels, progress=ignore, should_stop=never, tile=100)
    tiled = engine.enlarge(blur, pixels, progress=ignore, should_stop=never, tile=7)

    assert (whole.tiles, tiled.tiles) == (1, 35)
    assert whole.pixels.shape == (64, 96, 3)
    difference = np.abs(whole.pixels.astype(int) - tiled.pixels)
    assert difference.max() <= 1


def test_progress_is_told_after_each_tile() -> None:
    told: list[tuple[int, int]] = []

    Engine(REFERENCE).enlarge(
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
        Engine(REFERENCE).enlarge(
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
        Engine(REFERENCE).enlarge(
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


def test_tiles_that_do_not_fit_are_halved_and_those_that_are_done_are_kept() -> None:
    pixels = picture(60, 100)
    module = Hungry(area=1000, sated=1)
    told: list[tuple[int, int]] = []

    enlarged = Engine(REFERENCE).enlarge(
        network(module, scale=1),
        pixels,
        progress=lambda done, total: told.append((done, total)),
        should_stop=never,
        tile=50,
    )

    assert (enlarged.pixels == pixels).all()
    # Of four tiles the first fits; the second fails, for itself and the two after it.
    assert told == [(1, 4), *((index, 7) for index in range(2, 8))]
    assert module.failed == 1


def test_a_picture_that_fits_in_no_tile_at_all_is_an_error() -> None:
    with pytest.raises(TooLittleMemory):
        Engine(REFERENCE).enlarge(
            network(Hungry(area=20), scale=1), picture(), progress=ignore, should_stop=never
        )


def test_another_error_of_a_network_is_not_taken_for_a_lack_of_memory() -> None:
    with pytest.raises(RuntimeError, match="expected input"):
        Engine(REFERENCE).enlarge(
            network(nn.Conv2d(4, 4, 1), scale=1), picture(), progress=ignore, should_stop=never
        )


def test_the_memory_that_is_allowed_decides_on_the_tiles() -> None:
    blur = network(Neighbours(1 / 75), scale=2)
    pixels = picture(200, 300)

    roomy = Engine(REFERENCE).enlarge(blur, pixels, progress=ignore, should_stop=never)
    tight = Engine(REFERENCE, memory_bytes=200_000_000).enlarge(
        blur, pixels, progress=ignore, should_stop=never
    )

    assert (roomy.tiles, tight.tiles) == (1, 6)
    assert np.abs(roomy.pixels.astype(int) - tight.pixels).max() <= 1


def test_several_pictures_come_back_in_their_order_each_as_if_alone() -> None:
    blur = network(Neighbours(1 / 75), scale=2)
    pictures = [picture(9, 12), picture(9, 12), picture(30, 7)]
    told: list[tuple[int, int]] = []
    engine = Engine(REFERENCE)

    together = engine.enlarge_many(
        blur,
        pictures,
        progress=lambda done, total: told.append((done, total)),
        should_stop=never,
    )

    alone = [
        engine.enlarge(blur, pixels, progress=ignore, should_stop=never) for pixels in pictures
    ]
    assert [one.tiles for one in together] == [1, 1, 1]
    # The two of one size went through at once.
    assert told == [(2, 3), (3, 3)]
    for one, other in zip(together, alone, strict=True):
        assert (one.pixels == other.pixels).all()


def test_pictures_that_do_not_fit_together_go_through_half_as_many_at_once() -> None:
    told: list[int] = []
    pictures = [picture(32, 32) for _ in range(12)]

    enlarged = Engine(REFERENCE).enlarge_many(
        network(Hungry(area=3 * 32 * 32), scale=1),
        pictures,
        progress=lambda done, _total: told.append(done),
        should_stop=never,
    )

    assert told == [3, 6, 9, 12]
    for one, pixels in zip(enlarged, pictures, strict=True):
        assert (one.pixels == pixels).all()


def test_one_tiny_picture_does_not_decide_how_others_are_run() -> None:
    blur = network(Neighbours(1 / 75), scale=2)
    pictures = [picture(3, 3), picture(40, 30)]
    engine = Engine(Device("cpu", Precision.BF16))

    together = engine.enlarge_many(blur, pictures, progress=ignore, should_stop=never)

    assert [one.device.precision for one in together] == [Precision.FP32, Precision.BF16]
    alone = engine.enlarge(blur, pictures[1], progress=ignore, should_stop=never)
    assert (together[1].pixels == alone.pixels).all()


@pytest.mark.parametrize("precision", [Precision.BF16, Precision.FP16])
def test_a_network_that_may_not_run_in_half_precision_runs_in_fp32(precision: Precision) -> None:
    loaded = network(Neighbours(1 / 75), scale=2)
    strict = replace(loaded, entry=replace(loaded.entry, precisions=frozenset({Precision.FP32})))
    engine = Engine(Device("cpu", precision))
    pixels = picture(8, 8)

    half, full = (
        engine.enlarge(each, pixels, progress=ignore, should_stop=never)
        for each in (loaded, replace(strict, entry=replace(strict.entry, name="strict")))
    )

    assert (half.device.precision, full.device.precision) == (precision, Precision.FP32)


def test_a_long_tile_tells_that_it_goes_on_and_stops_when_asked() -> None:
    told: list[tuple[int, int]] = []
    layers = [nn.Conv2d(64, 64, 3, padding=1) for _ in range(60)]
    long = nn.Sequential(nn.Conv2d(3, 64, 1), *layers, nn.Conv2d(64, 3, 1))

    with pytest.raises(Cancelled):
        Engine(Device("cpu", Precision.FP32, Runtime.OPENVINO)).enlarge(
            network(long, scale=1),
            picture(600, 600),
            progress=lambda done, total: told.append((done, total)),
            should_stop=lambda: bool(told),
            tile=600,
        )

    assert told == [(0, 1)]


def test_jobs_take_turns_by_the_tile() -> None:
    engine = Engine(REFERENCE)
    ends: list[str] = []
    started = threading.Barrier(2)

    def enlarge(name: str, pixels: npt.NDArray[np.uint8]) -> None:
        begun = False

        def told(_done: int, _total: int) -> None:
            nonlocal begun
            if not begun:
                begun = True
                started.wait(timeout=30)

        engine.enlarge(
            network(Scaled(1.0), scale=1), pixels, progress=told, should_stop=never, tile=4
        )
        ends.append(name)

    long = threading.Thread(target=enlarge, args=("long", picture(200, 200)))
    short = threading.Thread(target=enlarge, args=("short", picture(20, 20)))
    long.start()
    short.start()
    long.join(timeout=60)
    short.join(timeout=60)

    assert ends == ["short", "long"]


class Staying(nn.Module):
    """Leaves pictures as they are, and works on grey ones until it is told to leave off."""

    def __init__(self) -> None:
        super().__init__()
        self.works = threading.Event()
        self.leave_off = threading.Event()

    def __deepcopy__(self, memo: dict[int, object]) -> "Staying":
        return self

    def forward(self, x: Tensor) -> Tensor:
        if x.amin() == x.amax():
            self.works.set()
            assert self.leave_off.wait(timeout=30)
        return x * 1.0


def test_a_picture_that_is_done_does_not_wait_for_another_s_tile() -> None:
    staying = Staying()
    loaded = network(staying, scale=1)
    engine = Engine(REFERENCE)
    # As RRDBNet would take them, both have so much memory that it is given back.
    pictures = [picture(250, 250), np.full((250, 250, 3), 90, np.uint8)]
    others = threading.Thread(
        target=lambda: engine.enlarge(loaded, pictures[1], progress=ignore, should_stop=never)
    )

    def told(_done: int, _total: int) -> None:
        others.start()
        assert staying.works.wait(timeout=30)

    def stop() -> bool:
        return others.ident is not None

    try:
        enlarged = engine.enlarge(loaded, pictures[0], progress=told, should_stop=stop)
    finally:
        staying.leave_off.set()
        others.join(timeout=30)

    assert (enlarged.pixels == pictures[0]).all()


def test_a_shift_of_colour_is_taken_back_and_detail_is_left() -> None:
    original = np.full((300, 40, 3), 100, np.uint8)
    original[:, :20] = 140
    enlarged = original.repeat(4, 0).repeat(4, 1)
    detail = np.where(np.indices(enlarged.shape).sum(axis=0) % 2, 6, -6)
    shifted = (enlarged + detail + np.array([5, -4, 3])).astype(np.uint8)

    held = hold_colour(shifted, original, 4)

    assert np.abs(held.mean(axis=(0, 1)) - original.mean(axis=(0, 1))).max() < 0.5
    assert np.abs(held.astype(int) - (enlarged + detail)).max() <= 1
