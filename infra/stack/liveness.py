"""Watches processes in the background, and says which of them must be replaced."""

import threading
import time
from collections.abc import Iterable
from typing import Final

from infra.settings import Settings
from infra.stack.judgement import ProcessJudge, Standing
from infra.stack.looks import Looker, Target

_INTERVAL_S: Final = 1.0
_CLOSING_S: Final = 10.0


class LivenessWatch:
    """Looks at processes every second in a thread of its own, and says which fail.

    Time in which Postgres, Kafka or the object store does not answer the look itself is not
    counted against anybody.
    """

    def __init__(self, settings: Settings, targets: Iterable[Target]) -> None:
        """Prepare to watch these; nothing is looked at before `start`."""
        self._targets = tuple(targets)
        self._settings = settings
        self._judges = {target.name: ProcessJudge() for target in self._targets}
        self._failures: dict[str, str] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="liveness", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Look no more; waits a while for a look in progress."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(_CLOSING_S)

    def take_failure(self, name: str) -> str | None:
        """Return why the program must be replaced, if so; saying it begins its time anew."""
        with self._lock:
            failure = self._failures.get(name)
        if failure is not None:
            self.forget(name)
        return failure

    def forget(self, name: str) -> None:
        """Begin the program's time anew, as when it was started again."""
        with self._lock:
            self._failures.pop(name, None)
            if name in self._judges:
                self._judges[name].forget()

    def _run(self) -> None:
        looker = Looker(self._settings, self._targets)
        while not self._ended.wait(_INTERVAL_S):
            self._look(looker)
        looker.close()

    def _look(self, looker: Looker) -> None:
        looks = looker.look()
        now = time.monotonic()
        with self._lock:
            for name, judge in self._judges.items():
                findings = judge.observe(now, None if looks is None else looks[name])
                stuck = [
                    f"{f.subject}: {f.found}" for f in findings if f.standing is Standing.STUCK
                ]
                if stuck:
                    self._failures[name] = "; ".join(stuck)
