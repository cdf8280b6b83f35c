"""What comes for one operation, read before it stands in line: wrong messages go no further."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from infra.clock import Time
from infra.dead_letters import DeadReason
from infra.kafka import Message
from infra.refusals import Gate
from schemas.events import Event, NewerEventError, UnreadableEventError, WorkDispatched
from schemas.operations import OperationName

MakeGate = Callable[[str], Gate]
"""Makes what decides, for a topic, how much of it may go to the dead letters."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """Why a message is for the dead letters."""

    reason: DeadReason
    error: str


InLine = tuple[Message, WorkDispatched | None]
"""A message and the work that it tells of; none if it was wrong."""

Line = Callable[[InLine], None]


class Intake:
    """Messages of one operation between Kafka and the line.

    When too much of them is wrong none is buried or lined up, for as long as that lasts: they
    wait here, uncommitted, and `halted` tells that no more should be fetched.
    """

    def __init__(self, operation: OperationName, gate: Gate, time: Time) -> None:
        self._operation = operation
        self._gate = gate
        self._time = time
        # Kept here until each is in line: what Kafka gave once it does not give again.
        self._came: deque[tuple[Message, WorkDispatched | Wrong]] = deque()
        self._passed = 0
        self._trial_at: float | None = None

    @property
    def halted(self) -> bool:
        """Whether too much is wrong at this moment."""
        return self._trial_at is not None

    def take(self, message: Message) -> None:
        """Keep a message until it stands in line."""
        self._came.append((message, self._read(message)))

    def pass_on(self, line: Line, bury: Callable[[Message, Wrong], None]) -> None:
        """Line up what came, wrong messages as None once `bury` has them, in their order.

        What `bury` raises leaves that message and those behind it for the next call.
        """
        if self._trial_at is not None and self._time.monotonic() < self._trial_at:
            return
        if len(self._came) > self._passed and not self._may_pass():
            return
        while self._came:
            message, read = self._came[0]
            if isinstance(read, Wrong):
                bury(message, read)
            line((message, None if isinstance(read, Wrong) else read))
            self._came.popleft()
            self._passed -= 1

    def _may_pass(self) -> bool:
        """Ask the gate once about all that it was not asked about, and let that pass or wait."""
        fresh = list(self._came)[self._passed :]
        # What a newer version wrote is right, if not for this one.
        wrong = [
            message
            for message, read in fresh
            if isinstance(read, Wrong) and read.reason is not DeadReason.NEWER
        ]
        if self._gate.closed([message for message, _ in fresh], wrong) is not None:
            self._trial_at = self._time.monotonic() + self._gate.cap.pause_s
            return False
        self._trial_at = None
        self._passed = len(self._came)
        return True

    def _read(self, message: Message) -> WorkDispatched | Wrong:
        try:
            work = Event[WorkDispatched].decode(message.value).data
        except NewerEventError as error:
            return Wrong(DeadReason.NEWER, str(error))
        except UnreadableEventError as error:
            return Wrong(DeadReason.UNREADABLE, str(error))
        if work.operation is not self._operation:
            told = f"data.operation: {work.operation} came for {self._operation}"
            return Wrong(DeadReason.UNREADABLE, told)
        return work
