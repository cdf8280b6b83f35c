"""Waiting for jobs to end, cheaply: one query for all who wait, and no thread held.

While anybody waits, the ids waited for are looked up together every `pause_s`; a lookup by
primary key costs less than a connection that listens, and survives a restart of Postgres.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import psycopg
from fastapi.concurrency import run_in_threadpool

from infra import logs
from schemas.ids import JobId

_LOG = logs.logger("api.waiting")
_PAUSE_S: Final = 0.05
_PAUSE_AFTER_ERROR_S: Final = 1.0
_MOST: Final = 2000


class EndedJobs:
    """Tells those who wait for a job that it has ended.

    `find` returns which of the given ids have ended; it runs in a thread. To be used from
    one event loop.
    """

    def __init__(
        self,
        find: Callable[[list[JobId]], set[JobId]],
        *,
        pause_s: float = _PAUSE_S,
        pause_after_error_s: float = _PAUSE_AFTER_ERROR_S,
        most: int = _MOST,
    ) -> None:
        self._find = find
        self._pause_s = pause_s
        self._pause_after_error_s = pause_after_error_s
        self._most = most
        self._waiting: dict[asyncio.Future[None], JobId] = {}
        self._looking: asyncio.Task[None] | None = None
        self._released = False

    async def wait(self, job_id: JobId, timeout_s: float) -> bool:
        """Return when the job has ended or the time is over, whichever comes first.

        False: not waited at all, because too many wait already or the process is ending.
        """
        if self._released or len(self._waiting) >= self._most:
            return False
        future = asyncio.get_running_loop().create_future()
        self._waiting[future] = job_id
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            async with asyncio.timeout(timeout_s):
                await future
        except TimeoutError:
            pass
        finally:
            self._waiting.pop(future, None)
        return True

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def release(self) -> None:
        """Let all who wait go at once, and let nobody wait from now on."""
        self._released = True
        for future in list(self._waiting):
            _tell(future)

    async def _look(self) -> None:
        pause = self._pause_s
        while self._waiting and not self._released:
            await asyncio.sleep(pause)
            try:
                ended = await run_in_threadpool(self._find, sorted(set(self._waiting.values())))
                pause = self._pause_s
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                _LOG.warning("waiting_for_the_world", stage="api", error=str(error))
                pause = self._pause_after_error_s
                continue
            for future, job_id in list(self._waiting.items()):
                if job_id in ended:
                    _tell(future)


def _tell(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
