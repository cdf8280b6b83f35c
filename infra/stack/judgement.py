"""Telling a process that hangs from one that has nothing to do.

That a process runs, or even answers, proves nothing. It works when each of its parts takes its
turns, when the commits of its consumer move while there is something ahead of them, and when the
head of the outbox moves while there is one. Pure: what was seen is given, with its time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from infra.health import Health
from infra.kafka_lag import TopicProgress

PATIENCE_S: Final = 15.0
"""How long a process may fail before it is replaced."""

LONGEST_GAP_S: Final = 5.0
"""At most so much is counted between two looks: who was late to look may have been frozen too."""


@dataclass(frozen=True, slots=True)
class OutboxHead:
    """The first row that waits in the outbox, and for how long it has waited."""

    id: int
    age_s: float


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of one process while every server answered.

    `health` is None when the process did not answer. `progress` is that of its own partitions,
    or of its whole group while it holds none. `outbox` is None when nothing waits there.
    """

    health: Health | None
    progress: tuple[TopicProgress, ...] = ()
    outbox: OutboxHead | None = None


class Standing(StrEnum):
    """How one thing about a process stands: STUCK has been UNSURE for the whole patience."""

    WELL = "well"
    UNSURE = "unsure"
    STUCK = "stuck"


@dataclass(frozen=True, slots=True)
class Finding:
    """How one thing about a process stands: `health`, `ready`, a part, a topic or `outbox`."""

    subject: str
    standing: Standing
    found: str


@dataclass(slots=True)
class StandstillJudge:
    """Decides whether something stands still that should move, from looks at where it is.

    Counts only the time between two looks that both succeeded and found it at the same position.
    """

    patience_s: float = PATIENCE_S
    _last: tuple[float, int] | None = None
    _still_s: float = 0.0
    has_moved: bool = False

    def observe(self, now: float, position: int | None) -> bool:
        """Note where it is at `now` (None: where it should be); return the verdict."""
        if position is None:
            self._last, self._still_s = None, 0.0
            return False
        if self._last is not None:
            then, before = self._last
            if before == position:
                self._still_s += min(now - then, LONGEST_GAP_S)
            else:
                self._still_s, self.has_moved = 0.0, True
        self._last = (now, position)
        return self._still_s >= self.patience_s

    def pause(self) -> None:
        """Do not count the time from the last look to the next: a server did not answer."""
        self._last = None


class ProcessJudge:
    """Judges one process by everything that is seen of it."""

    def __init__(self, *, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._judges: dict[str, StandstillJudge] = {}

    def observe(self, now: float, look: Look | None) -> tuple[Finding, ...]:
        """Note what was seen at `now` (None: a server did not answer); return how it stands."""
        seen = tuple(_subjects(look)) if look is not None else ()
        for unseen in self._judges.keys() - {subject.name for subject in seen}:
            self._judges[unseen].pause()
        return tuple(self._judged(now, subject) for subject in seen)

    def forget(self) -> None:
        """Begin anew, as for a process that was started again."""
        self._judges.clear()

    def _judged(self, now: float, subject: "_Subject") -> Finding:
        judge = self._judges.setdefault(subject.name, StandstillJudge(self._patience_s))
        if judge.observe(now, subject.position):
            return Finding(subject.name, Standing.STUCK, subject.found)
        well = subject.position is None or judge.has_moved
        standing = Standing.WELL if well else Standing.UNSURE
        return Finding(subject.name, standing, subject.found)


@dataclass(frozen=True, slots=True)
class _Subject:
    """Something that must move on from `position`, or is where it should be (None)."""

    name: str
    position: int | None
    found: str


def _subjects(look: Look) -> Iterator[_Subject]:
    health = look.health
    if health is None:
        yield _Subject("health", 0, "does not answer")
        return
    yield _Subject("health", None, "answers")
    yield _Subject("ready", None, "yes") if health.ready else _Subject("ready", 0, "not yet")
    for part in health.parts:
        if not part.alive:
            found = f"no turn for {part.silent_s:.0f} s, of {part.within_s:.0f} s that it may take"
            yield _Subject(part.name, 0, found)
        elif part.stands_by:
            yield _Subject(part.name, None, "stands by: another process does this")
        else:
            yield _Subject(part.name, None, f"took a turn {part.silent_s:.1f} s ago")
    for progress in look.progress:
        if progress.topic in health.halted:
            yield _Subject(progress.topic, None, f"{progress.lag} ahead; too much is refused")
        else:
            yield _topic(progress, busy=progress.topic in health.full)
    if any(part.name == "relay" and not part.stands_by for part in health.parts):
        yield _outbox(look.outbox)


def _topic(progress: TopicProgress, *, busy: bool) -> _Subject:
    if not progress.lag:
        return _Subject(progress.topic, None, "nothing waits for it")
    ahead = f"{progress.committed} committed, {progress.lag} ahead"
    if busy:
        return _Subject(progress.topic, None, f"{ahead}; all its slots are taken")
    return _Subject(progress.topic, progress.committed, ahead)


def _outbox(head: OutboxHead | None) -> _Subject:
    if head is None:
        return _Subject("outbox", None, "empty")
    return _Subject("outbox", head.id, f"its oldest row has waited for {head.age_s:.1f} s")
