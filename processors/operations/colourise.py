"""Giving a grey photograph colours."""

from dataclasses import dataclass, replace

from processors.engine.tiled import Cancelled, Progress, ShouldStop
from processors.images.image import Image
from processors.models.registry import Registry
from processors.operations.result import Report, Restored, Stopwatch, Used
from processors.operations.steps import beat_of
from schemas.operations import ColouriseParameters


@dataclass(frozen=True, slots=True)
class Colourise:
    """The operation with where it finds its network."""

    registry: Registry

    def run(
        self,
        image: Image,
        params: ColouriseParameters,
        mask: Image | None,
        *,
        progress: Progress,
        should_stop: ShouldStop,
    ) -> Restored:
        """Return `image` in colours, as light as it was; alpha stays as it is.

        Colours that it has are not looked at. The network sees the whole at once, so that there
        is one step. `mask` is not looked at, and `params` have nothing to choose. Raises
        `Cancelled` within a second or a layer, and `ModelUnavailable` where no network is supplied.
        """
        _ = mask, params
        watch = Stopwatch()
        with watch.phase("load"):
            colouriser = self.registry.colouriser()
        if should_stop():
            raise Cancelled
        with watch.phase("network"):
            pixels = colouriser.colourise(image.pixels, beat_of(progress, should_stop, 0, 1))
        progress(1, 1)
        size = (image.width, image.height)
        # A profile of grey does not describe colours.
        icc = None if image.is_grey else image.icc
        return Restored(
            replace(image, pixels=pixels, icc=icc),
            Report(
                models=(Used(colouriser.entry.name, colouriser.entry.sha256),),
                input_size=size,
                output_size=size,
                tiles=1,
                precision="fp32",
                phases=tuple(watch.phases),
            ),
        )
