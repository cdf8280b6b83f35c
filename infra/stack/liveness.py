"""Telling a process that hangs from one that has nothing to do.

A process is alive when its consumer group's commits move while it lags; that it runs, or even
answers, proves nothing. Time in which a server does not answer is not counted against it.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from infra.kafka import BrokerUnavailableError
from infra.kafka_lag import Group, LagReader, TopicProgress

PATIENCE_S: Final = 15.0
_INTERVAL_S: Final = 3.0


@dataclass(slots=True)
class StandstillJudge:
    """Decides whether one group stands still on one topic, from looks at its progress.

    Counts only the time between two looks that both succeeded, both with lag and with the
    same commits.
    """

    patience_s: float = PATIENCE_S
    _last: tuple[float, int] | None = None
    _still_s: float = 0.0
    has_moved: bool = False

    def observe(self, now: float, progress: TopicProgress | None) -> bool:
        """Note what was seen at `now` (None: a server did not answer); return the verdict."""
        if progress is None:
            self._last = None
        elif progress.lag == 0:
            self._last, self._still_s = None, 0.0
        else:
            if self._last is None:
                pass
            elif self._last[1] == progress.committed:
                self._still_s += now - self._last[0]
            else:
                self._still_s, self.has_moved = 0.0, True
            self._last = (now, progress.committed)
        return self._still_s >= self.patience_s

    def forget(self) -> None:
        """Begin anew, as for a process that was started again."""
        self._last, self._still_s = None, 0.0


class LivenessWatch:
    """Looks at groups every few seconds in a thread of its own, and says which stand still."""

    def __init__(
        self,
        bootstrap: str,
        groups: dict[str, Group],
        *,
        servers_answer: Callable[[], bool],
        clock: Callable[[], float],
    ) -> None:
        """Watch `groups`, by program name; `servers_answer` says whether time counts."""
        self._bootstrap = bootstrap
        self._groups = groups
        self._servers_answer = servers_answer
        self._clock = clock
        self._judges = {
            name: {topic: StandstillJudge() for topic in group.topics}
            for name, group in groups.items()
        }
        self._stuck: set[str] = set()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="liveness", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Look no more; waits for a look in progress."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def take_stuck(self, name: str) -> bool:
        """Whether the program stands still; saying so once begins its time anew."""
        with self._lock:
            if name not in self._stuck:
                return False
        self.forget(name)
        return True

    def forget(self, name: str) -> None:
        """Begin the program's time anew, as when it was started again."""
        with self._lock:
            self._stuck.discard(name)
            for judge in self._judges.get(name, {}).values():
                judge.forget()

    def _run(self) -> None:
        reader: LagReader | None = None
        while not self._ended.wait(_INTERVAL_S):
            seen: dict[str, TopicProgress] = {}
            try:
                if self._servers_answer():
                    reader = reader or LagReader(self._bootstrap)
                    for group in self._groups.values():
                        seen.update({p.topic: p for p in reader.read(group)})
            except BrokerUnavailableError:
                # Not answering is an observation too: it stops the time.
                seen.clear()
            self._judge(seen)
        if reader is not None:
            reader.close()

    def _judge(self, seen: dict[str, TopicProgress]) -> None:
        now = self._clock()
        with self._lock:
            for name, judges in self._judges.items():
                verdicts = [judge.observe(now, seen.get(topic)) for topic, judge in judges.items()]
                if any(verdicts):
                    self._stuck.add(name)
