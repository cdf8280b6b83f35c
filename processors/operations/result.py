"""What every operation returns."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from processors.images.image import Image
from schemas.warnings import Warned


@dataclass(frozen=True, slots=True)
class Used:
    """A network or algorithm that took part, and the sha256 of its weights where it has any."""

    name: str
    weights_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the work and the wall time it took."""

    name: str
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """How a picture was restored.

    `models` are in the order in which they worked; `tiles` counts the pieces the work was done
    in, `redone` those that were done a second time by a safer way (in fp32, or without the
    algorithm that crashed); sizes are (width, height) in pixels.
    """

    models: tuple[Used, ...]
    input_size: tuple[int, int]
    output_size: tuple[int, int]
    tiles: int = 0
    redone: int = 0
    device: str = "cpu"
    precision: str = "uint8"
    phases: tuple[Phase, ...] = ()
    warnings: tuple[Warned, ...] = ()


@dataclass(frozen=True, slots=True)
class Restored:
    """A restored picture and how it came about."""

    image: Image
    report: Report


@dataclass(slots=True)
class Stopwatch:
    """Collects phases in the order in which they end."""

    phases: list[Phase] = field(default_factory=list)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time the block under that name, unless it raises."""
        start = time.perf_counter()
        yield
        self.phases.append(Phase(name, (time.perf_counter() - start) * 1000))
