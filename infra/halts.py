"""Which consumers of this process stand still, because too much of their input is refused."""


class Halts:
    """The topics that this process does not read on, for too much of them is refused."""

    def __init__(self) -> None:
        self._standing: frozenset[tuple[str, str]] = frozenset()

    def topics(self) -> tuple[str, ...]:
        """Return them in order."""
        return tuple(sorted(topic for _, topic in self._standing))

    def stands_still(self, stage: str) -> bool:
        """Tell whether a stage does not read a topic on."""
        return any(stage == standing for standing, _ in self._standing)

    def add(self, stage: str, topic: str) -> None:
        """Note that a stage does not read a topic on."""
        self._standing |= {(stage, topic)}

    def discard(self, stage: str, topic: str) -> None:
        """Note that it does."""
        self._standing -= {(stage, topic)}
