"""One door to every operation."""

from functools import cache, partial
from types import TracebackType
from typing import Self

from processors.content import Allowed, ContentForbidden, Forbidden, Inspect, inspect
from processors.engine.tiled import Engine, Progress, ShouldStop
from processors.images.errors import ImageTooLarge
from processors.images.image import Image
from processors.models.registry import Registry
from processors.operations.colourise import Colourise
from processors.operations.enhance import Enhance
from processors.operations.faces import Faces
from processors.operations.inpaint import Inpaint
from processors.operations.restore import Restore
from processors.operations.result import Restored, Used
from processors.operations.scratches import Scratches
from processors.operations.tone import Tone
from processors.operations.upscale import Upscale
from processors.sandbox.sandbox import Sandbox, SandboxLimits
from schemas.operations import (
    ColouriseParameters,
    EnhanceParameters,
    FacesParameters,
    ImageFormat,
    InpaintParameters,
    Parameters,
    PictureParameters,
    RestoreParameters,
    ScratchesParameters,
    ToneParameters,
    UpscaleParameters,
)
from schemas.sizes import against_result


class Restorer:
    """Runs operations on one device. Safe to share between threads.

    Networks are loaded when they are first needed and stay. `inspect` has the word of the content
    rules on every picture. Close it, or use it as a context manager, to end the process that fills
    holes.
    """

    def __init__(
        self,
        registry: Registry | None = None,
        engine: Engine | None = None,
        *,
        inspect: Inspect = inspect,
    ) -> None:
        self._inspect = inspect
        self.registry = registry or Registry()
        self.engine = engine or Engine()
        self._filler = Sandbox("processors.engine.fill_child", SandboxLimits())
        self._upscale = Upscale(self.registry, self.engine)
        self._restore = Restore(self.registry, self.engine)
        self._scratches = Scratches(self._filler)
        self._tone = Tone()
        self._faces = Faces(self.registry)
        self._colourise = Colourise(self.registry)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the filler's processes that wait for work."""
        self._filler.close()

    def restore(
        self,
        parameters: Parameters,
        image: Image,
        mask: Image | None = None,
        *,
        progress: Progress,
        should_stop: ShouldStop,
    ) -> Restored:
        """Return `image` restored by the operation that `parameters` belong to.

        First the content rules are asked, and whether there can be a result of the size that it
        would have. `progress(done, total)` is called after each tile, `should_stop()` before it.
        Raises `processors.engine.tiled.Cancelled`, or a kind of
        `processors.failures.ProcessingFailure`, whose `code` is the job's: `ContentForbidden`
        and `ImageTooLarge` before any work. Raises `ValueError` for `identity`, which no picture
        is decoded for.
        """
        match self._inspect(image):
            case Forbidden(category):
                raise ContentForbidden(category)
            case Allowed():
                pass
        _must_fit(parameters, image)
        return self._run(parameters, image, mask, progress=progress, should_stop=should_stop)

    def prepare(self, parameters: Parameters) -> None:
        """Load the models that the operator supplies, if the operation runs on such.

        Raises `processors.failures.ModelUnavailable`, which says what to supply.
        """
        match parameters:
            case FacesParameters():
                self.registry.face_restorer()
            case ColouriseParameters():
                self.registry.colouriser()
            case InpaintParameters():
                self._inpainting(parameters)
            case _:
                pass

    def _run(
        self,
        parameters: Parameters,
        image: Image,
        mask: Image | None = None,
        *,
        progress: Progress,
        should_stop: ShouldStop,
    ) -> Restored:
        match parameters:
            case UpscaleParameters():
                run = partial(self._upscale.run, image, parameters, mask)
            case RestoreParameters():
                run = partial(self._restore.run, image, parameters, mask)
            case InpaintParameters():
                run = partial(self._inpainting(parameters).run, image, parameters, mask)
            case ScratchesParameters():
                run = partial(self._scratches.run, image, parameters, mask)
            case ToneParameters():
                run = partial(self._tone.run, image, parameters, mask)
            case ColouriseParameters():
                run = partial(self._colourise.run, image, parameters, mask)
            case FacesParameters():
                run = partial(self._faces.run, image, parameters, mask)
            case EnhanceParameters():
                run = partial(Enhance(self._run).run, image, parameters, mask)
            case _:
                raise ValueError(f"{parameters.operation} restores nothing")
        return run(progress=progress, should_stop=should_stop)

    def _inpainting(self, parameters: InpaintParameters) -> Inpaint:
        if parameters.engine != "learned":
            return Inpaint(self._filler)
        network = self.registry.inpainter()
        by = Used(network.entry.name, network.entry.sha256)
        return Inpaint(self._filler, network.fill, by)


def _must_fit(parameters: Parameters, image: Image) -> None:
    """Refuse a result of too many pixels, or with sides that the format asked for does not hold."""
    form = None
    if isinstance(parameters, PictureParameters) and parameters.format != "auto":
        form = ImageFormat(parameters.format)
    refused = against_result(
        parameters, image.width, image.height, form, alpha=image.alpha is not None
    )
    if refused is not None:
        raise ImageTooLarge(refused)


@cache
def _shared() -> Restorer:
    return Restorer()


def restore(
    operation: str,
    parameters: Parameters,
    image: Image,
    mask: Image | None = None,
    *,
    progress: Progress,
    should_stop: ShouldStop,
) -> Restored:
    """Run `operation` through the one `Restorer` of this process; see `Restorer.restore`.

    Raises `ValueError` when `parameters` are those of another operation.
    """
    if operation != parameters.operation:
        raise ValueError(f"{parameters.operation} parameters were given for {operation}")
    return _shared().restore(parameters, image, mask, progress=progress, should_stop=should_stop)
