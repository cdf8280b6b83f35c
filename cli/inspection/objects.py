"""Do ended jobs have their files? Results with their ETags, and files that say why not."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from cli.inspection.findings import Found, OutsideCode, outside
from domain.jobs.files import EndedFiles
from infra.stored_objects import ObjectMissing, ObjectStore
from schemas import keys
from schemas.states import Origin

READERS: Final = 16
"""Objects asked for at once; the store must allow as many connections."""


def wrong_files(
    store: ObjectStore, jobs: Iterable[EndedFiles], *, on_look: Callable[[], None]
) -> Iterator[tuple[EndedFiles, Found]]:
    """Yield each job whose file is not in the store, or is another. Raises `StoreError`.

    Asks for one object a job, without reading it; `on_look` is told of each.
    """
    with ThreadPoolExecutor(READERS, thread_name_prefix="heads") as readers:
        waiting = iter(jobs)
        while chunk := list(itertools.islice(waiting, READERS * 8)):
            for job, wrong in zip(chunk, readers.map(lambda j: look(store, j), chunk), strict=True):
                on_look()
                if wrong is not None:
                    yield job, wrong


def look(store: ObjectStore, job: EndedFiles) -> Found | None:
    """Return what is wrong with the one file that an ended job has; None for one without."""
    if job.result_key is not None:
        try:
            etag = store.head(job.result_key).etag
        except ObjectMissing:
            return outside(OutsideCode.RESULT_MISSING, job.job_id, f"{job.result_key} is not there")
        if etag != job.result_etag:
            detail = f"{job.result_key} has ETag {etag}, on record is {job.result_etag}"
            return outside(OutsideCode.RESULT_CHANGED, job.job_id, detail)
    elif job.origin == Origin.OBJECT:
        key = keys.problem_key(job.source_key, job.job_id)
        try:
            store.head(key)
        except ObjectMissing:
            detail = f"{job.state}, and {key} is not there"
            return outside(OutsideCode.PROBLEM_MISSING, job.job_id, detail)
    return None
