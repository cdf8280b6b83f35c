"""The work on many files: the next is decoded and the last written while one is restored."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from cli.restoring.files import Item
from cli.restoring.outcomes import Failed, Left, Outcome, Skipped, Written
from processors.engine.tiled import Cancelled
from processors.failures import ProcessingFailure
from processors.images.decoder import Decoder
from processors.images.image import Image
from processors.library import Result, encoded
from processors.operations.restorer import Restorer
from processors.whole_files import write_whole
from schemas.errors import ErrorCode
from schemas.operations import PictureOperation, output_format


@dataclass(frozen=True, slots=True)
class Progress:
    """Whom the work tells how far it is."""

    began: Callable[[Item], None]
    tile: Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class _Read:
    image: Image
    mask: Image | None


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done with every file, and by what."""

    decoder: Decoder
    restorer: Restorer
    parameters: PictureOperation
    folder: Path
    overwrite: bool
    should_stop: Callable[[], bool]

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
        inputs = frozenset(item.path.resolve() for item in items)
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
        try:
            image = self._decoded(item.path)
            return _Read(image, None if item.mask is None else self._decoded(item.mask))
        except ProcessingFailure as failure:
            return self._failed(item, failure)
        except OSError as error:
            return Failed(item.path, str(error))

    def _decoded(self, path: Path) -> Image:
        return self.decoder.decode(path.read_bytes(), should_stop=self.should_stop)

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
            expected = self._target(item, read.image, has_alpha=read.image.alpha is not None)
            if (refused := self._refused(item, expected, inputs)) is not None:
                return refused
            restored = self.restorer.restore(
                self.parameters,
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
        result = Result(restored.image, read.image, restored.report, self.parameters)
        target = self._target(item, read.image, has_alpha=result.image.alpha is not None)
        return self._refused(item, target, inputs) or result

    def _target(self, item: Item, source: Image, *, has_alpha: bool) -> Path:
        form = output_format(self.parameters, source.source_format, has_alpha=has_alpha)
        return item.target(self.folder, form)

    def _refused(self, item: Item, target: Path, inputs: frozenset[Path]) -> Outcome | None:
        """Return what comes of a file whose result has no place to go to."""
        if target.resolve() in inputs:
            return Failed(item.path, f"the result would replace the input {target}")
        if target.exists() and not self.overwrite:
            return Skipped(item.path, target)
        return None

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
        except (OSError, MemoryError) as error:
            return Failed(item.path, str(error) or "the file needs more memory than there is")
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
