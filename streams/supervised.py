"""How a stage's batch is carried through: until it is done, whatever happens.

Faust acknowledges a batch when an exception or a cancellation passes through the loop that
took it. So neither ever does: see `Supervised`.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Generic, NoReturn, TypeVar

from infra import tracing
from infra.clock import SystemClock, Time
from infra.dead_letters import DeadLetters, DeadReason
from infra.ending import EXIT_CANNOT_GO_ON
from infra.kafka import Message
from infra.logs import logger
from infra.refusals import Gate
from infra.world import WORLD_ERRORS
from streams.observed import Observed
from streams.stage import NewerMessageError, Stage, UnreadableMessageError

T = TypeVar("T")

_STOP_SEEN_S: Final = 0.5
"""How soon a stage that stands still sees that it is to stop."""

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a batch is tried, in seconds.

    `world_s` bounds the wait inside an agent's body: past Faust's `broker_max_poll_interval`
    a worker hangs for ever. A stop waits `stopping_s` for the batch in hand; from a stage that
    stands still nothing comes, so that the others get `leaving_s` for theirs.
    """

    world_s: float = 120.0
    stopping_s: float = 10.0
    leaving_s: float = 2.0
    first_pause_s: float = 0.1
    longest_pause_s: float = 2.0


def end_process() -> NoReturn:
    """End this process at once, with nothing acknowledged that is not done."""
    os._exit(EXIT_CANNOT_GO_ON)


def leave_process() -> NoReturn:
    """Do the same for a process that was told to stop, which is no failure."""
    os._exit(0)


@dataclass(frozen=True, slots=True)
class _Wrong:
    """A message that is for the dead letters, why, and what it said if it could be read."""

    message: Message
    reason: DeadReason
    error: Exception
    item: object = None


def _refused(wrong: Sequence[_Wrong]) -> list[Message]:
    """Return what counts against the cap: what a newer version wrote is right, if not for us."""
    return [each.message for each in wrong if each.reason is not DeadReason.NEWER]


class Supervised(Generic[T]):
    """Carries batches of one stage through.

    A message that does not decode goes to the dead letters. An error of the world is waited
    out. Any other error halves the batch until the one message that is wrong is found, and
    that goes to the dead letters too. When nothing helps, the process ends without
    acknowledging, and the batch comes again.

    Before any goes there all that are wrong are found. When that is too much (see
    `infra.refusals`) none does: the stage stands still, and tries them again now and then.
    Other stages go on meanwhile, until the bound of every wait ends the process; the next one
    tries the same messages first.
    """

    def __init__(
        self,
        stage: Stage[T],
        dead_letters: DeadLetters,
        *,
        patience: Patience | None = None,
        time: Time | None = None,
        gate: Gate | None = None,
        give_up: Callable[[], NoReturn] = end_process,
        leave: Callable[[], NoReturn] = leave_process,
    ) -> None:
        self._stage = stage
        self._dead_letters = dead_letters
        self._patience = patience or Patience()
        self._time = time or SystemClock()
        self._gate = gate or Gate(stage.name, stage.topic, self._time)
        self._give_up = give_up
        self._leave = leave
        self._stopping = threading.Event()
        self._observed = Observed(stage.name, self._time)

    async def __call__(self, messages: Sequence[Message]) -> None:
        """Return when every message is done or dead. A cancellation waits for that too."""
        # A future of the executor, not a task: whoever cancels all tasks does not reach it.
        work = asyncio.get_running_loop().run_in_executor(None, self.carry_through, messages)
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            await self._finish(work)
            raise

    async def _finish(self, work: asyncio.Future[None]) -> None:
        """Wait for work whose stream is being stopped, however often it is told to stop."""
        self._stopping.set()
        deadline = self._time.monotonic() + self._patience.stopping_s
        while not work.done():
            left = deadline - self._time.monotonic()
            if left <= 0:
                self._cannot_go_on("stopped before the batch was done")
            with suppress(asyncio.CancelledError):
                await asyncio.wait({work}, timeout=left)
        work.result()

    def carry_through(self, messages: Sequence[Message]) -> None:
        """Do the same in this thread. Nothing is raised: what is not done ends the process."""
        try:
            with self._observed.batch(messages):
                self._carry_through(messages, self._time.monotonic() + self._patience.world_s)
        except Exception as error:  # noqa: BLE001 - Faust would acknowledge the batch for any
            _log.exception("batch_not_carried_through", stage=self._stage.name)
            self._cannot_go_on(f"a batch could be neither done nor buried: {error!r}")

    def _carry_through(self, messages: Sequence[Message], deadline: float) -> None:
        wrong = self._work(messages, deadline)
        while (why := self._gate.closed(messages, _refused(wrong))) is not None:
            self._stand_still(why, deadline)
            wrong = self._work([each.message for each in wrong], deadline)
        for each in wrong:
            with self._observed.about([(each.message, each.item)]):
                self._bury(each, deadline)

    def _work(self, messages: Sequence[Message], deadline: float) -> list[_Wrong]:
        """Do what can be done, and return what is wrong; doing it again is harmless."""
        readable: list[tuple[Message, T]] = []
        wrong: list[_Wrong] = []
        for message in messages:
            try:
                readable.append((message, self._stage.decode(message)))
            except NewerMessageError as error:
                wrong.append(_Wrong(message, DeadReason.NEWER, error))
            except UnreadableMessageError as error:
                wrong.append(_Wrong(message, DeadReason.UNREADABLE, error))
            except Exception as error:  # noqa: BLE001 - decoding is pure: the message causes it
                wrong.append(_Wrong(message, DeadReason.REFUSED, error))
        return wrong + (self._handle(readable, deadline) if readable else [])

    def _handle(self, batch: Sequence[tuple[Message, T]], deadline: float) -> list[_Wrong]:
        with self._observed.about(batch):
            return self._do(batch, deadline)

    def _do(self, batch: Sequence[tuple[Message, T]], deadline: float) -> list[_Wrong]:
        items = [item for _, item in batch]
        begun_ns = tracing.now_ns()
        try:
            self._outlast(lambda: self._stage.step(items), deadline)
        except Exception as error:  # noqa: BLE001 - whatever it is, one of the messages causes it
            if len(batch) == 1:
                return [_Wrong(batch[0][0], DeadReason.REFUSED, error, item=batch[0][1])]
            middle = len(batch) // 2
            return [
                *self._handle(batch[:middle], deadline),
                *self._handle(batch[middle:], deadline),
            ]
        self._observed.done(batch, begun_ns=begun_ns)
        return []

    def _stand_still(self, why: str, deadline: float) -> None:
        """Return when the next trial is due; end the process when none is left, or at a stop."""
        trial = min(self._time.monotonic() + self._gate.cap.pause_s, deadline)
        while (left := trial - self._time.monotonic()) > 0:
            if self._stopping.is_set():
                self._time.sleep(self._patience.leaving_s)
                _log.warning("process_leaves", stage=self._stage.name, why=why)
                self._leave()
            self._time.sleep(min(left, _STOP_SEEN_S))
        if trial == deadline:
            self._cannot_go_on(f"a batch waits too long: {why}")

    def _outlast(self, action: Callable[[], None], deadline: float) -> None:
        pause = self._patience.first_pause_s
        while True:
            try:
                action()
            except WORLD_ERRORS as error:
                _log.warning("waiting_for_the_world", stage=self._stage.name, error=str(error))
                self._observed.waits()
                if self._time.monotonic() + pause > deadline:
                    self._cannot_go_on(f"the world is still wrong: {error}")
                self._time.sleep(pause)
                pause = min(pause * 2, self._patience.longest_pause_s)
            else:
                return

    def _bury(self, wrong: _Wrong, deadline: float) -> None:
        message, error = wrong.message, wrong.error
        _log.error(
            "message_dead",
            stage=self._stage.name,
            reason=wrong.reason,
            topic=message.topic,
            partition=message.partition,
            offset=message.offset,
            error=repr(error),
        )
        self._outlast(
            lambda: self._dead_letters.put(
                message,
                reason=wrong.reason,
                error=str(error) or repr(error),
                attempt=1,
                schema=self._stage.schema,
            ),
            deadline,
        )

    def _cannot_go_on(self, why: str) -> NoReturn:
        _log.critical("process_ends", stage=self._stage.name, why=why)
        self._give_up()
