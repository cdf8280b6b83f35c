"""Work on many things, a few at once."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_parallel(work: Callable[[T], R], items: Iterable[T], parallel: int) -> Iterator[R]:
    """Yield what `work` returns for each item, as it comes, `parallel` at once.

    Items are taken as they are needed, so there may be any number. The first error, and
    an interrupt, is raised once the work already begun has ended; the rest is not begun.
    """
    rest = iter(items)
    pending: set[Future[R]] = set()
    with ThreadPoolExecutor(parallel) as threads:
        try:
            while True:
                fresh = islice(rest, 2 * parallel - len(pending))
                pending |= {threads.submit(work, item) for item in fresh}
                if not pending:
                    return
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for each in done:
                    yield each.result()
        finally:
            for each in pending:
                each.cancel()
