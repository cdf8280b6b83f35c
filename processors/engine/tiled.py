"""Running a network over pictures, tile by tile."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import torch
from torch import Tensor

from processors.engine import memory
from processors.engine.compiled import Compiled
from processors.engine.device import (
    Device,
    Runtime,
    choose_device,
    use_ieee_fp32,
    use_no_more_threads_than_cores,
)
from processors.engine.placed import Placed
from processors.engine.room import Room
from processors.engine.work import Pixels, Step, Work
from processors.failures import ProcessingFailure
from processors.models.manifest import Precision
from processors.models.own_process import claim_networks
from processors.models.registry import LoadedNetwork
from processors.models.survey import Survey, Surveys, samples_of

Progress = Callable[[int, int], None]
"""Called with the steps that are done and the steps there are: after each step, and once a
second while a long one runs or waits for its turn."""

ShouldStop = Callable[[], bool]
"""Asked before each step, and once a second within; once true, the work stops with `Cancelled`."""

_BEAT_S: Final = 1.0

_LARGEST_ON_CPU: Final = 640 * 640
"""Pixels read at once: past that the light networks gained nothing, and progress is coarse."""

_AT_ONCE_ON_CPU: Final = 128 * 128
"""Pixels of several pictures read at once: pictures of 32 x 32 took 20 to 45 % less CPU time so,
of 64 x 64 2 to 20 %; past that nothing is gained."""

_TINY: Final = 64
"""Pixels read, below which a tile is run in fp32: of a single pixel OpenVINO's bf16 makes another
(25 dB from fp32, SRVGGNetCompact), of two and more it does not."""

_WORTH_GIVING_BACK: Final = 3 << 28
"""Bytes from which on the memory of a tile is not kept for the next picture of the same network."""


class Cancelled(Exception):  # noqa: N818 (an outcome that was asked for, not an error)
    """The work was stopped because it was asked to; there is no result."""


class NotFinite(ProcessingFailure):
    """A network gave NaN or infinity even in fp32."""


class TooLittleMemory(ProcessingFailure):
    """Not even the smallest tile fits into the memory there is."""


@dataclass(frozen=True, slots=True)
class Enlarged:
    """A picture out of a network.

    `pixels` is (scale·H, scale·W, 3), RGB; `redone` counts the tiles that were computed again
    in fp32 because they were not finite. `device` is in the precision that was used.
    """

    pixels: Pixels
    tiles: int
    redone: int
    device: Device


class Engine:
    """Runs networks on one device, keeping each there once it was used.

    `memory_bytes` is what the activations of a tile may take; a larger tile spends less on its
    overlap. Safe to share between threads: one tile runs at a time, so that jobs do not fight
    for cores, and jobs take turns by the tile. A module of fp32 weights is never changed; the
    device holds its own copy. Sets what holds for the whole process: torch's threads are no
    more than the cores.
    """

    def __init__(self, device: Device | None = None, *, memory_bytes: int | None = None) -> None:
        self.device = device or choose_device()
        self._memory_bytes = memory_bytes or memory.budget(self.device)
        self._placed: dict[tuple[str, Precision], Placed | Compiled] = {}
        self._latest: Placed | Compiled | None = None
        self._turns = Room(1)
        if self.device.name == "cpu":
            use_no_more_threads_than_cores()
        else:
            use_ieee_fp32()

    def enlarge(
        self,
        network: LoadedNetwork,
        pixels: Pixels,
        *,
        progress: Progress,
        should_stop: ShouldStop,
        tile: int | None = None,
    ) -> Enlarged:
        """Run `network` over `pixels`, (H, W, 3) RGB, in as few tiles as memory allows.

        With `tile`, in tiles of that many pixels a side instead. A tile that runs out of memory
        halves those that are left. Raises `Cancelled` within a second or a layer, whichever is
        longer (on a GPU: a tile), once `should_stop()` is true; `NotFinite` when a tile is not
        finite in fp32; `TooLittleMemory` when tiles cannot be made small enough; and
        `processors.models.own_process.ForkedAway` in a process whose parent has networks.
        """
        (enlarged,) = self.enlarge_many(
            network, [pixels], progress=progress, should_stop=should_stop, tile=tile
        )
        return enlarged

    def enlarge_many(
        self,
        network: LoadedNetwork,
        pictures: Sequence[Pixels],
        *,
        progress: Progress,
        should_stop: ShouldStop,
        tile: int | None = None,
    ) -> list[Enlarged]:
        """Run `network` over several pictures, in their order; steps are counted over all.

        Tiles of one size that follow one another go through at once: on a GPU as many as memory
        allows, on a CPU only those of small pictures. Raises as `enlarge` does.
        """
        claim_networks()
        entry = network.entry
        wanted = replace(self.device, precision=self.device.precision_of(entry))
        area = self._area(memory.bytes_per_pixel(entry, wanted))
        beat = _Beat(progress, should_stop)
        work = Work(entry, pictures, tile or area, squares=bool(tile))
        devices = [wanted] * len(pictures)
        at_once = area
        if self.device.name == "cpu":
            at_once = _AT_ONCE_ON_CPU if len(pictures) > 1 else 1
        while work.left:
            beat.done, beat.total = work.done, work.done + len(work.left)
            steps = work.next_steps(at_once)
            tiny = steps[0].tile.read.area < _TINY
            device = replace(wanted, precision=Precision.FP32) if tiny else wanted
            if self._fits(network, device, work, steps, beat):
                work.finish(len(steps))
                for step in steps:
                    devices[step.picture] = device
                progress(work.done, work.done + len(work.left))
            elif len(steps) > 1:
                at_once = steps[0].tile.read.area * (len(steps) // 2)
            elif not work.halve():
                raise TooLittleMemory(f"{entry.name} does not fit even in its smallest tiles")
        return [
            Enlarged(*each)
            for each in zip(work.targets, work.tiles, work.redone, devices, strict=True)
        ]

    def _area(self, bytes_per_pixel: int) -> int:
        """Return how many pixels may be read at once."""
        fitting = max(1, self._memory_bytes // bytes_per_pixel)
        return min(fitting, _LARGEST_ON_CPU) if self.device.name == "cpu" else fitting

    def _fits(
        self,
        network: LoadedNetwork,
        device: Device,
        work: Work,
        steps: list[Step],
        beat: "_Beat",
    ) -> bool:
        """Do the steps; False, with nothing done, where they need more memory than there is."""
        with self._turns.taken(1, beat):
            fits = False
            try:
                beat.stop_if_asked()
                survey = self._survey(network, device.precision, work, steps, beat)
                output = self._run(network, device.precision, work.cut(steps), survey, beat)
                work.paste(steps, *output)
                fits = True
            except (RuntimeError, MemoryError) as error:
                if not memory.is_out_of_memory(error):
                    raise
            finally:
                # Here the frames of an error that was caught hold nothing any more; and another
                # picture does not have to be waited for.
                takes = work.largest * memory.bytes_per_pixel(network.entry, device)
                ends = len(steps) == len(work.left)
                if not fits or (ends and takes > _WORTH_GIVING_BACK):
                    self._give_back()
        return fits

    def _survey(
        self,
        network: LoadedNetwork,
        precision: Precision,
        work: Work,
        steps: list[Step],
        beat: "_Beat",
    ) -> Survey | None:
        """Return what the network has to know of the whole pictures, a row for each step."""
        module = network.module
        if not isinstance(module, Surveys) or all(work.is_whole(step) for step in steps):
            return None
        for step in steps:
            if step.picture not in work.surveys:
                samples = samples_of(
                    work.picture(step), margin=module.margin, multiple=module.multiple
                )
                # Not in fp16: what is not finite here would be so in every tile, redone or not.
                placed = self._place(
                    network, Precision.FP32 if precision is Precision.FP16 else precision
                )
                with torch.inference_mode():
                    work.surveys[step.picture] = placed.survey(self._given(samples), beat)
        rows = (work.surveys[step.picture] for step in steps)
        return tuple(torch.cat(means) for means in zip(*rows, strict=True))

    def _run(
        self,
        network: LoadedNetwork,
        precision: Precision,
        pixels: Pixels,
        survey: Survey | None,
        beat: "_Beat",
    ) -> tuple[Tensor, bool]:
        """Return fp32 (N, 3, H, W) for `pixels`, (N, H, W, 3), and whether fp32 was needed."""
        output = self._infer(network, precision, pixels, survey, beat)
        if _is_finite(output):
            return output, False
        if precision is not Precision.FP32:
            output = self._infer(network, Precision.FP32, pixels, survey, beat)
            if _is_finite(output):
                return output, True
        raise NotFinite(f"{network.entry.name} gave values that are not finite in fp32")

    def _infer(
        self,
        network: LoadedNetwork,
        precision: Precision,
        pixels: Pixels,
        survey: Survey | None,
        beat: "_Beat",
    ) -> Tensor:
        placed = self._place(network, precision)
        with torch.inference_mode():
            return placed.run(self._given(pixels), beat, survey).float()

    def _given(self, pixels: Pixels) -> Tensor:
        """Return `pixels`, (N, H, W, 3), as networks take them."""
        # (N, H, W, 3) is channels-last as it stands: no copy is needed.
        pictures = torch.from_numpy(pixels).to(self.device.name).float().div_(255)
        return pictures.permute(0, 3, 1, 2)

    def _place(self, network: LoadedNetwork, precision: Precision) -> Placed | Compiled:
        key = (network.entry.name, precision)
        if key not in self._placed:
            make = Compiled if self.device.runtime is Runtime.OPENVINO else Placed
            self._placed[key] = make(network.module, replace(self.device, precision=precision))
        placed = self._placed[key]
        if self._latest is not placed:
            if isinstance(self._latest, Compiled):
                # Each would keep its own, where torch's networks share one: to take it anew costs
                # up to a tenth of a tile.
                self._latest.release()
            self._latest = placed
        return placed

    def _give_back(self) -> None:
        """Give memory that no network is using back to the system, or to others on the GPU."""
        if self._latest is not None:
            self._latest.release()


@dataclass(slots=True)
class _Beat:
    """Tells progress and asks whether to stop, once a second at most."""

    progress: Progress
    should_stop: ShouldStop
    done: int = 0
    total: int = 0
    last: float = field(default_factory=time.monotonic)

    def __call__(self) -> None:
        now = time.monotonic()
        if now - self.last >= _BEAT_S:
            self.last = now
            self.stop_if_asked()
            self.progress(self.done, self.total)

    def stop_if_asked(self) -> None:
        if self.should_stop():
            raise Cancelled


def _is_finite(output: Tensor) -> bool:
    # The extremes of what holds a NaN are NaN.
    low, high = output.aminmax()
    return bool(torch.isfinite(low) & torch.isfinite(high))
