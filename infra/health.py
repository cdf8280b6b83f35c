"""What a process says of itself at `/health`: readiness, its parts, what it consumes."""

from pydantic import BaseModel, ConfigDict


class PartHealth(BaseModel):
    """One part: how long it has been silent, and how long it may be, in seconds.

    `stands_by`: another process has its work.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    silent_s: float
    within_s: float
    stands_by: bool = False

    @property
    def alive(self) -> bool:
        """Whether it took a turn recently enough."""
        return self.silent_s <= self.within_s


class Health(BaseModel):
    """One process. It is `ok` when every part of it is alive.

    `partitions` are those its consumer holds, by topic, or None when it consumes nothing or has
    not been given any yet. `full` are the topics from which it takes nothing now, for all places
    that their work needs are taken; `halted` those it does not read on, for too much of what
    comes there is refused: it stands still until that is mended, and a new process would too.
    """

    model_config = ConfigDict(frozen=True)

    pid: int
    ready: bool
    parts: tuple[PartHealth, ...]
    partitions: dict[str, tuple[int, ...]] | None = None
    full: tuple[str, ...] = ()
    halted: tuple[str, ...] = ()

    @property
    def silent(self) -> tuple[PartHealth, ...]:
        """The parts that have been silent for too long."""
        return tuple(part for part in self.parts if not part.alive)

    @property
    def ok(self) -> bool:
        """Whether every part is alive."""
        return not self.silent
