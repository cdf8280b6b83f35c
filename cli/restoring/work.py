"""The work on many files: the next is decoded and the last written while one is restored."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from cli.restoring.files import MASK_SUFFIX, Item
from cli.restoring.outcomes import Failed, LargeEnough, Left, Outcome, Skipped, Written
from cli.restoring.sizing import LargeEnoughError, Size, TooSmallError
from processors.engine.tiled import Cancelled
from processors.failures import ProcessingFailure
from processors.images.decoder import Decoder
from processors.images.image import Image
from processors.library import Result, encoded
from processors.operations.restorer import Restorer
from processors.taken_files import bytes_of
from processors.whole_files import write_whole
from schemas.errors import ErrorCode
from schemas.operations import (
    ImageFormat,
    PictureOperation,
    output_format,
    takes_mask_file,
)
from schemas.sizes import against_result


@dataclass(frozen=True, slots=True)
class Progress:
    """Whom the work tells how far it is."""

    began: Callable[[Item], None]
    tile: Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class _Read:
    image: Image
    mask: Image | None
    parameters: PictureOperation


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done with every file, and by what."""

    decoder: Decoder
    restorer: Restorer
    parameters: PictureOperation
    folder: Path
    overwrite: bool
    should_stop: Callable[[], bool]
    size: Size | None = None

    def run(self, items: Sequence[Item], progress: Progress) -> Iterator[Outcome]:
        """Yield what came of each file, as it comes.

        Once `should_stop()` is true the file at work is given up before its next tile, and those
        after it are not begun; what was restored before is written. `progress` is told from
        another thread.
        """
        outcomes: SimpleQueue[Outcome | None] = SimpleQueue()
        with ThreadPoolExecutor(1) as line:
            work = line.submit(self._all, items, progress, outcomes.put)
            work.add_done_callback(lambda _: outcomes.put(None))
            while (outcome := outcomes.get()) is not None:
                yield outcome
            work.result()

    def _all(
        self, items: Sequence[Item], progress: Progress, tell: Callable[[Outcome], None]
    ) -> None:
        inputs = frozenset(
            path.resolve() for item in items for path in (item.path, item.mask) if path is not None
        )
        writing: Future[None] | None = None
        with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
            ahead = [reader.submit(self._read, item) for item in items[:1]]
            for number, item in enumerate(items):
                progress.began(item)
                read = ahead.pop().result()
                ahead += [
                    reader.submit(self._read, each) for each in items[number + 1 : number + 2]
                ]
                begun = time.perf_counter()
                done = self._restored(item, read, inputs, progress)
                if not isinstance(done, Result):
                    tell(done)
                    continue
                if writing is not None:
                    # One result waits at most: they may be large.
                    writing.result()
                writing = writer.submit(self._write, item, done, begun, tell)
            if writing is not None:
                writing.result()

    def _read(self, item: Item) -> _Read | Outcome:
        if self.should_stop():
            return Left(item.path)
        if item.mask is None and takes_mask_file(self.parameters):
            wanted = item.path.name + MASK_SUFFIX
            reason = f"it has no mask: put one beside it as {wanted}, or name one with --mask"
            return Failed(item.path, reason, ErrorCode.MASK_MISSING)
        try:
            image = self._decoded(item.path)
            mask = None if item.mask is None else self._decoded(item.mask)
            return _Read(image, mask, self._parameters_for(image))
        except ProcessingFailure as failure:
            return self._failed(item, failure)
        except LargeEnoughError as found:
            return LargeEnough(item.path, str(found))
        except TooSmallError as found:
            return Failed(item.path, str(found), ErrorCode.PARAMETERS_INVALID)
        except OSError as error:
            return Failed(item.path, f"cannot read {error.filename}: {error.strerror or error}")

    def _parameters_for(self, image: Image) -> PictureOperation:
        if self.size is None:
            return self.parameters
        return self.size.parameters_for(self.parameters, image.width, image.height)

    def _decoded(self, path: Path) -> Image:
        return self.decoder.decode(bytes_of(path), should_stop=self.should_stop)

    def _restored(
        self,
        item: Item,
        read: _Read | Outcome,
        inputs: frozenset[Path],
        progress: Progress,
    ) -> Result | Outcome:
        if not isinstance(read, _Read):
            return read
        try:
            # What the format will be, as far as the input tells: whether there is a result.
            image, alpha = read.image, read.image.alpha is not None
            form = _format(read, has_alpha=alpha)
            if (refused := self._refused(item, form, inputs)) is not None:
                return refused
            if large := against_result(
                read.parameters, image.width, image.height, form, alpha=alpha
            ):
                return Failed(item.path, large, ErrorCode.IMAGE_TOO_LARGE)
            restored = self.restorer.restore(
                read.parameters,
                read.image,
                read.mask,
                progress=progress.tile,
                should_stop=self.should_stop,
            )
        except Cancelled:
            return Left(item.path)
        except ProcessingFailure as failure:
            return self._failed(item, failure)
        except MemoryError:
            reason = "the picture needs more memory than there is"
            return Failed(item.path, reason, ErrorCode.PROCESSING_FAILED)
        except Exception as error:  # noqa: BLE001 (a defect that one of thousands of files meets)
            reason = f"unexpected {type(error).__name__}: {error}"
            return Failed(item.path, reason, ErrorCode.PROCESSING_FAILED)
        result = Result(restored.image, read.image, restored.report, read.parameters)
        return self._refused(item, result.format, inputs) or result

    def _refused(self, item: Item, form: ImageFormat, inputs: frozenset[Path]) -> Outcome | None:
        """Return what comes of a file whose result has no place to go to."""
        target = item.target(self.folder, form)
        if target.resolve() in inputs:
            reason = f"the result would replace the input {target}; name another folder or --suffix"
            return Failed(item.path, reason)
        try:
            if target.is_symlink() and not target.exists() and not self.overwrite:
                return _unwritable(item, target, "it is a link to nothing")
            if target.is_dir():
                return _unwritable(item, target, "it is a folder")
            there = target.exists()
        except OSError as error:
            return _unwritable(item, target, error.strerror or str(error))
        return Skipped(item.path, target) if there and not self.overwrite else None

    def _write(
        self, item: Item, result: Result, begun: float, tell: Callable[[Outcome], None]
    ) -> None:
        tell(self._written(item, result, begun))

    def _written(self, item: Item, result: Result, begun: float) -> Outcome:
        target = item.target(self.folder, result.format)
        try:
            file = encoded(result, result.format)
            write_whole(target, file.body, replace=self.overwrite)
        except FileExistsError:
            return Skipped(item.path, target)
        except ProcessingFailure as failure:
            return self._failed(item, failure)
        except OSError as error:
            return _unwritable(item, target, error.strerror or str(error))
        except MemoryError:
            return Failed(item.path, "the file of the result needs more memory than there is")
        return Written(
            item.path,
            target,
            len(file.body),
            time.perf_counter() - begun,
            result.report,
            tuple(dict.fromkeys((*result.warnings, *file.warnings))),
        )

    def _failed(self, item: Item, failure: ProcessingFailure) -> Outcome:
        # A decoder that was stopped ends as one that hit a limit does.
        if self.should_stop():
            return Left(item.path)
        return Failed(item.path, str(failure), failure.code)


def _unwritable(item: Item, target: Path, reason: str) -> Failed:
    return Failed(
        item.path, f"cannot write {target}: {reason}; mend that, or name another folder with -o"
    )


def _format(read: _Read, *, has_alpha: bool) -> ImageFormat:
    return output_format(read.parameters, read.image.source_format, has_alpha=has_alpha)
