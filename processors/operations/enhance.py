"""What a kind of picture needs, step by step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from processors.engine.tiled import Cancelled, Progress, ShouldStop
from processors.images.image import Image
from processors.operations.result import Phase, Report, Restored
from processors.operations.steps import step_of
from schemas.operations import (
    EnhanceParameters,
    Parameters,
    RestoreParameters,
    ScratchesParameters,
    ToneParameters,
    UpscaleParameters,
)
from schemas.warnings import Warned

Kind = Literal["old-photo", "document", "product", "anime"]

REPAIRS: Final[dict[Kind, tuple[Parameters, ...]]] = {
    "old-photo": (ScratchesParameters(sensitivity=0.45), RestoreParameters(), ToneParameters()),
    "document": (RestoreParameters(), ToneParameters()),
    "product": (RestoreParameters(),),
    "anime": (RestoreParameters(model="anime"),),
}
"""What is done before a picture is enlarged, in this order: what hides the picture is taken away
before what lies over all of it, and nothing is enlarged that a later step would take away.

Nobody looks at the mask of scratches in between: they must be surer than by default."""

_ENLARGED_BY: Final[dict[Kind, Literal["photo", "anime", "photo-light"]]] = {
    "old-photo": "photo",
    "document": "photo-light",
    "product": "photo",
    "anime": "anime",
}


def steps_for(params: EnhanceParameters) -> tuple[Parameters, ...]:
    """Return the operations that `params` stand for, in order, each with its parameters."""
    repairs = REPAIRS[params.kind]
    if params.factor == 1:
        return repairs
    return *repairs, UpscaleParameters(model=_ENLARGED_BY[params.kind], factor=params.factor)


class Door(Protocol):
    """What runs one operation; see `processors.operations.Restorer.restore`."""

    def __call__(  # noqa: D102 - what the class says
        self,
        parameters: Parameters,
        image: Image,
        mask: Image | None = None,
        *,
        progress: Progress,
        should_stop: ShouldStop,
    ) -> Restored: ...


@dataclass(frozen=True, slots=True)
class Enhance:
    """The operation with what runs its steps."""

    restore: Door

    def run(
        self,
        image: Image,
        params: EnhanceParameters,
        mask: Image | None,
        *,
        progress: Progress,
        should_stop: ShouldStop,
    ) -> Restored:
        """Return `image` after the steps of `params.kind`, each as when it is asked for alone.

        The report tells each step's time as a phase of its name; it warns `nothing_found` only
        when no step found anything to do. `mask` is not looked at. Raises what the steps raise.
        """
        _ = mask
        steps = steps_for(params)
        done: list[Restored] = []
        for number, step in enumerate(steps):
            if should_stop():
                raise Cancelled
            done.append(
                self.restore(
                    step,
                    done[-1].image if done else image,
                    progress=step_of(progress, number, len(steps)),
                    should_stop=should_stop,
                )
            )
        return Restored(done[-1].image, _together(steps, [each.report for each in done]))


def _together(steps: Sequence[Parameters], reports: Sequence[Report]) -> Report:
    idle = all(Warned.NOTHING_FOUND in report.warnings for report in reports)
    warnings = {
        warned
        for report in reports
        for warned in report.warnings
        if idle or warned is not Warned.NOTHING_FOUND
    }
    # On a device, in a precision: those of the network that did most. Tiles of what is no network
    # (strips, regions) are no measure beside them.
    busiest = max(reports, key=lambda report: (_by_network(report), report.tiles))
    return Report(
        models=tuple(used for report in reports for used in report.models),
        input_size=reports[0].input_size,
        output_size=reports[-1].output_size,
        tiles=sum(report.tiles for report in reports),
        redone=sum(report.redone for report in reports),
        device=busiest.device,
        precision=busiest.precision,
        phases=tuple(
            Phase(step.operation, sum(phase.milliseconds for phase in report.phases))
            for step, report in zip(steps, reports, strict=True)
        ),
        warnings=tuple(sorted(warnings)),
    )


def _by_network(report: Report) -> bool:
    return any(used.weights_sha256 is not None for used in report.models)
