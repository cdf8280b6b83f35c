"""Restoring the faces of a photograph."""

from dataclasses import dataclass, replace

from processors.engine.shown import as_grey, as_rgb
from processors.engine.tiled import Cancelled, Progress, ShouldStop
from processors.images.image import Image
from processors.models.registry import Registry
from processors.operations.result import Report, Restored, Stopwatch, Used
from processors.operations.steps import beat_of
from schemas.operations import FacesParameters
from schemas.warnings import Warned


@dataclass(frozen=True, slots=True)
class Faces:
    """The operation with where it finds its networks."""

    registry: Registry

    def run(
        self,
        image: Image,
        params: FacesParameters,
        mask: Image | None,
        *,
        progress: Progress,
        should_stop: ShouldStop,
    ) -> Restored:
        """Return `image` with its faces restored, and all else as it was.

        A picture without a face is returned as it is, with the warning `nothing_found`. Grey
        stays grey, alpha stays as it is. Each face is a step. `mask` is not looked at, and
        `params` have nothing to choose. Raises `Cancelled` within a second or a layer, and
        `ModelUnavailable` where a network is not supplied.
        """
        _ = mask, params
        watch = Stopwatch()
        with watch.phase("load"):
            restorer = self.registry.face_restorer()
        if should_stop():
            raise Cancelled
        pixels = as_rgb(image.pixels).copy()
        with watch.phase("find"):
            faces = restorer.find(pixels)
        with watch.phase("network"):
            for number, face in enumerate(faces):
                if should_stop():
                    raise Cancelled
                beat = beat_of(progress, should_stop, number, len(faces))
                restorer.restore(pixels, face, beat)
                progress(number + 1, len(faces))
        size = (image.width, image.height)
        restored = as_grey(pixels) if image.is_grey else pixels
        return Restored(
            replace(image, pixels=restored) if faces else image,
            Report(
                models=(Used(restorer.entry.name, restorer.entry.sha256),) if faces else (),
                input_size=size,
                output_size=size,
                tiles=len(faces),
                precision="fp32",
                phases=tuple(watch.phases),
                warnings=() if faces else (Warned.NOTHING_FOUND,),
            ),
        )
