"""The cap on refused input: when too much of what comes is wrong, it is not the messages.

A message that is wrong goes to the dead letters, and its topic goes on. When most of them are
wrong, a deploy of ours or a producer is, and burying everything would take hours to undo. Then
nothing is buried: the consumer stands still, with nothing acknowledged, until its trials show
that the cause is mended, or an operator allows so many letters (`picmend dlq allow`).

The model is arroyo's `DlqLimit` (getsentry/arroyo, arroyo/dlq.py): a ratio, and a number in a
row per partition. Here the ratio is of a window of time, and asked before anything is buried.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from infra import metrics
from infra.allowances import Allowances, NoAllowances
from infra.clock import Time
from infra.halts import Halts
from infra.kafka import BrokerUnavailableError, Message
from infra.logs import logger
from infra.settings import Settings

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Cap:
    """How much may be refused.

    Of the messages of `window_s` seconds, a `ratio`, once over `least` are refused; and
    `in_a_row` of one partition. A consumer that stands still tries again each `pause_s`.
    """

    ratio: float = 0.1
    least: int = 20
    window_s: float = 60.0
    in_a_row: int = 100
    pause_s: float = 15.0


def cap_of(settings: Settings) -> Cap:
    """Return the cap that the settings name."""
    return Cap(
        ratio=settings.refused_ratio,
        least=settings.refused_least,
        window_s=settings.refused_window_s,
        in_a_row=settings.refused_in_a_row,
        pause_s=settings.refused_pause_s,
    )


class Gate:
    """Decides whether the wrong messages of a batch may be buried. Used by one thread at a time.

    Each of a stage's topics has its own; `stage` is what the metric and the log name.
    """

    def __init__(
        self,
        stage: str,
        topic: str,
        time: Time,
        *,
        cap: Cap | None = None,
        allowances: Allowances | None = None,
        halts: Halts | None = None,
    ) -> None:
        self.cap: Final = cap or Cap()
        self._stage = stage
        self._topic = topic
        self._time = time
        self._allowances = allowances or NoAllowances()
        self._halts = halts or Halts()
        self._counts: deque[tuple[float, int, int]] = deque()
        self._rows: dict[int, int] = {}
        self._halted_at: float | None = None

    def closed(self, messages: Sequence[Message], wrong: Sequence[Message]) -> str | None:
        """Return why the `wrong` ones of a batch must not be buried; None when they may be.

        In that case they count as buried. While it says no the batch is to be kept, and asked
        about again each `cap.pause_s`: what is no longer wrong is left out of `wrong` then.
        """
        places = {(message.partition, message.offset) for message in wrong}
        rows = self._rows_with(messages, places)
        why = self._too_much(len(messages), len(wrong), rows) if wrong else None
        if why is None:
            self._counts.append((self._time.monotonic(), len(messages), len(wrong)))
            self._rows = {at: row for at, (row, _) in rows.items()}
        elif self._allowed() >= len(wrong):
            _log.warning("letters_allowed", stage=self._stage, topic=self._topic, count=len(wrong))
            self._counts.clear()
            self._rows.clear()
            why = None
        self._tell(why, len(wrong))
        return why

    def _rows_with(
        self, messages: Sequence[Message], wrong: set[tuple[int, int]]
    ) -> dict[int, tuple[int, int]]:
        """Return, by partition, how many in a row are wrong at its end, and were at most."""
        rows = {at: (row, 0) for at, row in self._rows.items()}
        for message in messages:
            row, most = rows.get(message.partition, (0, 0))
            row = row + 1 if (message.partition, message.offset) in wrong else 0
            rows[message.partition] = (row, max(most, row))
        return rows

    def _too_much(self, messages: int, wrong: int, rows: dict[int, tuple[int, int]]) -> str | None:
        # Standing still forgets nothing: else waiting alone would let a flood through in spoons.
        now = self._time.monotonic() if self._halted_at is None else self._halted_at
        begun = now - self.cap.window_s
        while self._counts and self._counts[0][0] < begun:
            self._counts.popleft()
        messages += sum(count for _, count, _ in self._counts)
        wrong += sum(count for _, _, count in self._counts)
        if wrong > self.cap.least and wrong > self.cap.ratio * messages:
            return f"{wrong} of {messages} messages refused in {self.cap.window_s:.0f} s"
        row = max((most for _, most in rows.values()), default=0)
        if row > self.cap.in_a_row:
            return f"{row} messages of a partition refused in a row"
        return None

    def _allowed(self) -> int:
        try:
            return self._allowances.left(self._topic)
        except BrokerUnavailableError as error:
            _log.warning("waiting_for_the_world", stage=self._stage, error=str(error))
            return 0

    def _tell(self, why: str | None, wrong: int) -> None:
        if why is not None:
            tell = _log.warning if self._halted_at is not None else _log.critical
            tell(
                "stage_still_halted" if self._halted_at is not None else "stage_halted",
                stage=self._stage,
                topic=self._topic,
                why=why,
                refused=wrong,
                remedy=f"mend the cause, or `picmend dlq allow {self._topic} --count {wrong}`",
            )
            self._halts.add(self._stage, self._topic)
        elif self._halted_at is not None:
            _log.warning("stage_goes_on", stage=self._stage, topic=self._topic)
            self._halts.discard(self._stage, self._topic)
        if why is None:
            self._halted_at = None
        elif self._halted_at is None:
            self._halted_at = self._time.monotonic()
        metrics.HALTED.labels(self._stage).set(int(self._halts.stands_still(self._stage)))
