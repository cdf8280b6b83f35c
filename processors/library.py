"""The engine for Python programs: read a picture, restore it, write it.

    import processors

    picture = processors.read("old.jpg")
    result = processors.restore(picture, "upscale", factor=2)
    processors.write(result, "new.png")

Needs no server. Pictures are decoded in a confined process of their own, which starts with the
first one; networks are loaded when they are first needed and stay. All of it may be called from
several threads.
"""

import atexit
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from processors.engine.tiled import Progress, ShouldStop
from processors.images.decoder import Decoder
from processors.images.encode import Encoded, encode
from processors.images.image import Image
from processors.images.provenance import AigcLabel
from processors.models.registry import Registry
from processors.operations.marking import made_by
from processors.operations.restorer import Restorer
from processors.operations.result import Report
from processors.taken_files import bytes_of
from processors.whole_files import write_whole
from schemas.operations import (
    WRITTEN,
    IdentityParameters,
    ImageFormat,
    PictureOperation,
    PictureParameters,
    output_format,
    parse_parameters,
)
from schemas.warnings import Warned

SUFFIXES: Final = {f".{form.extension}": form for form in sorted(WRITTEN)} | {
    ".jpeg": ImageFormat.JPEG,
    ".tif": ImageFormat.TIFF,
}
"""Which format is written into a file whose name ends so, in lower case."""

_MARKED_WITHIN: Final = frozenset({"alpha", "shapes"})

Source = Image | str | os.PathLike[str] | bytes
"""A picture, or where it is: a path, or the bytes of a file."""


@dataclass(frozen=True, slots=True)
class Result:
    """A restored picture: what came out, from what, how, and what was asked for."""

    image: Image
    source: Image
    report: Report
    parameters: PictureOperation

    @property
    def warnings(self) -> tuple[Warned, ...]:
        """What there is to know of reading and restoring, each once."""
        return tuple(dict.fromkeys((*self.source.warnings, *self.report.warnings)))

    @property
    def format(self) -> ImageFormat:
        """The format that it is written in where no other is asked for."""
        return output_format(
            self.parameters, self.source.source_format, has_alpha=self.image.alpha is not None
        )


def read(source: str | os.PathLike[str] | bytes) -> Image:
    """Return the picture in a file, given by its path or as its bytes.

    The format is told by the content: JPEG, PNG, WebP, AVIF, TIFF, HEIC, GIF or BMP. Raises a
    kind of `processors.images.errors.ImageRefused`, `OSError` when there is no such file or it is a
    pipe, a socket or a device, or `processors.sandbox.sandbox.ChildNotStarted` when the
    decoder's process cannot start.
    """
    body = source if isinstance(source, bytes) else bytes_of(Path(source))
    return _decoder(os.getpid()).decode(body)


def restore(
    image: Source,
    operation: str,
    *,
    mask: Source | Literal["alpha", "shapes"] | None = None,
    progress: Progress = lambda _done, _total: None,
    should_stop: ShouldStop = lambda: False,
    **parameters: object,
) -> Result:
    """Return `image` restored by `operation`, with `parameters` as in `schemas.operations`.

    Both pictures are what `read` returned, or what it takes: then what it raises is raised, too.
    `mask` may be "alpha" or "shapes" instead, as in the parameters of `inpaint`; a file of such a
    name is given as a `Path`.
    `progress(done, total)` is called after each tile, `should_stop()` before it. Raises
    `pydantic.ValidationError`, a `ValueError`, which names the wrong parameter;
    `processors.engine.tiled.Cancelled` once `should_stop()` is true; a kind of
    `processors.failures.ProcessingFailure` when it cannot be done.
    """
    marks: Source | None = None
    if isinstance(mask, str) and mask in _MARKED_WITHIN:
        parameters = {**parameters, "mask": mask}
    else:
        marks = mask
    asked = parse_parameters(operation, parameters)
    match asked:
        case IdentityParameters():
            raise ValueError("identity copies a file as it is; there is nothing to restore")
        case _:
            picture = _picture(image)
            restored = _restorer(os.getpid()).restore(
                asked,
                picture,
                None if marks is None else _picture(marks),
                progress=progress,
                should_stop=should_stop,
            )
            return Result(restored.image, picture, restored.report, asked)


def encoded(
    result: Result,
    form: ImageFormat,
    how: PictureParameters | None = None,
    *,
    aigc: AigcLabel | None = None,
) -> Encoded:
    """Return the file of a result; `how` is by default what was asked for with the operation."""
    origin = made_by(result.parameters.operation, result.report, aigc)
    return encode(result.image, form, how or result.parameters, made_by=origin)


def write(
    result: Result,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    aigc: AigcLabel | None = None,
    **how: object,
) -> tuple[Warned, ...]:
    """Write a result to a file, and return what there is to know of it.

    The format is that of the name's end (`SUFFIXES`); `how` changes what else was asked for with
    the operation: quality, subsampling, target_bytes, metadata. The file is there when it is
    whole. Raises `ValueError` for another end, a `format` that is not the end's or a wrong
    parameter, `FileExistsError` unless
    `overwrite`, `processors.images.errors.ImageTooLarge` when the format holds no sides as long.
    """
    target = Path(path)
    form = SUFFIXES.get(target.suffix.lower())
    if form is None:
        raise ValueError(f"{target.name} ends in none of {', '.join(SUFFIXES)}")
    asked = PictureParameters.model_validate(
        result.parameters.model_dump(include=set(PictureParameters.model_fields)) | how
    )
    if "format" in how and asked.format not in {"auto", form.value}:
        raise ValueError(f"{target.name} ends as {form} does, and format={asked.format} was asked")
    file = encoded(result, form, asked, aigc=aigc)
    write_whole(target, file.body, replace=overwrite)
    return tuple(dict.fromkeys((*result.warnings, *file.warnings)))


def _picture(source: Source) -> Image:
    return source if isinstance(source, Image) else read(source)


# Each process has its own, by its id: two that were forked and talked to one decoder would get each
# other's pictures.


# Threads that come first at once each make one, and the first of these stays: what is not used has
# neither processes nor networks. A lock might be held by another thread while a process is forked,
# for ever then.
_decoders: Final[dict[int, Decoder]] = {}
_restorers: Final[dict[int, Restorer]] = {}


def _decoder(process: int) -> Decoder:
    if process not in _decoders:
        made = Decoder()
        if _decoders.setdefault(process, made) is made:
            atexit.register(_end, process, made.close)
    return _decoders[process]


def _restorer(process: int) -> Restorer:
    if process not in _restorers:
        supplied = os.environ.get("PICMEND_MODELS")
        made = Restorer(Registry(models_dir=Path(supplied) if supplied else None))
        if _restorers.setdefault(process, made) is made:
            atexit.register(_end, process, made.close)
    return _restorers[process]


def _end(process: int, close: Callable[[], None]) -> None:
    if os.getpid() == process:
        close()
