"""Pictures on their way through a network: what is left to do, and what is done."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, takewhile

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from processors.engine.plan import Box, Tile, halved, plan_tiles, plan_within
from processors.models.manifest import NetworkEntry
from processors.models.survey import Survey, is_its_own_sample

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Step:
    """One tile of one of the pictures."""

    picture: int
    tile: Tile

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of what is read."""
        return self.tile.read.height, self.tile.read.width


class Work:
    """The tiles of some pictures, (H, W, 3) each, and the results as they grow.

    Tiles read at most `limit` pixels, or with `squares` are of `limit` pixels a side. `targets`
    are the results, `tiles` and `redone` count by picture, and `surveys` holds what a network
    that surveys knows of each; `largest` is the most pixels that a tile reads.
    """

    def __init__(
        self, entry: NetworkEntry, pictures: Sequence[Pixels], limit: int, *, squares: bool
    ) -> None:
        self._entry = entry
        self._pictures = pictures
        self.targets = [
            np.empty((height * entry.scale, width * entry.scale, channels), np.uint8)
            for height, width, channels in (picture.shape for picture in pictures)
        ]
        self.left = deque(
            Step(index, tile)
            for index, picture in enumerate(pictures)
            for tile in self._plan(picture, limit, squares=squares)
        )
        self.done = 0
        self.tiles = [0] * len(pictures)
        self.redone = [0] * len(pictures)
        self.surveys: dict[int, Survey] = {}
        self.largest = max((step.tile.read.area for step in self.left), default=0)

    def _plan(self, picture: Pixels, limit: int, *, squares: bool) -> tuple[Tile, ...]:
        height, width, _ = picture.shape
        overlap, multiple = self._entry.overlap, self._entry.multiple
        if squares:
            return plan_tiles(width, height, tile=limit, overlap=overlap, multiple=multiple)
        return plan_within(width, height, area=limit, overlap=overlap, multiple=multiple)

    def next_steps(self, area: int) -> list[Step]:
        """Return the first steps of one size, as many as read `area` pixels; at least one."""
        first = self.left[0]
        count = max(1, area // first.tile.read.area)
        alike = takewhile(lambda step: step.shape == first.shape, self.left)
        return list(islice(alike, count))

    def is_whole(self, step: Step) -> bool:
        """Tell whether the step reads a whole picture, and one that needs no samples."""
        height, width, _ = self.picture(step).shape
        return step.tile.kept.area == height * width and is_its_own_sample(height, width)

    def picture(self, step: Step) -> Pixels:
        """Return the picture that the step is a tile of."""
        return self._pictures[step.picture]

    def finish(self, count: int) -> None:
        """Take note that the first `count` steps are done."""
        for _ in range(count):
            self.tiles[self.left.popleft().picture] += 1
        self.done += count

    def halve(self) -> bool:
        """Cut every tile that is left and not smaller than the first; False where none can be."""
        size = self.left[0].tile.read.area
        smaller: deque[Step] = deque()
        for step in self.left:
            parts = self._halves(step) if step.tile.read.area >= size else []
            smaller.extend(parts or [step])
        cut = smaller[0] != self.left[0]
        self.left = smaller
        return cut

    def _halves(self, step: Step) -> list[Step]:
        height, width, _ = self._pictures[step.picture].shape
        overlap, multiple = self._entry.overlap, self._entry.multiple
        parts = halved(step.tile, width, height, overlap=overlap, multiple=multiple)
        return [Step(step.picture, part) for part in parts]

    def cut(self, steps: list[Step]) -> Pixels:
        """Return what the steps read, (N, H, W, 3); outside the picture is its edge."""
        return np.stack([_cut(self._pictures[step.picture], step.tile.read) for step in steps])

    def paste(self, steps: list[Step], output: Tensor, redone: bool) -> None:  # noqa: FBT001 (a fact of the output)
        """Keep of `output`, (N, 3, H, W) in 0..1, what belongs to the steps."""
        scale = self._entry.scale
        for step, values in zip(steps, output, strict=True):
            kept, read = step.tile.kept, step.tile.read
            top, left = (kept.top - read.top) * scale, (kept.left - read.left) * scale
            target = self.targets[step.picture][
                kept.top * scale : kept.bottom * scale, kept.left * scale : kept.right * scale
            ]
            height, width, _ = target.shape
            target[:] = _to_pixels(values[:, top : top + height, left : left + width])
            self.redone[step.picture] += redone


def _cut(pixels: Pixels, box: Box) -> Pixels:
    height, width, _ = pixels.shape
    inside = pixels[box.top : box.bottom, box.left : box.right]
    beyond = ((0, max(0, box.bottom - height)), (0, max(0, box.right - width)), (0, 0))
    return np.pad(inside, beyond, mode="edge")


@torch.inference_mode()
def _to_pixels(values: Tensor) -> Pixels:
    # In place: nobody needs the values afterwards, and a copy of a tile takes its time.
    levels = values.mul_(255).round_().clamp_(0, 255).to(torch.uint8)
    pixels: Pixels = levels.permute(1, 2, 0).cpu().numpy()
    return pixels
