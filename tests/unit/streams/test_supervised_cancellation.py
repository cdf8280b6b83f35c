"""A stream that is stopped in mid-batch: Faust acknowledges what a cancellation passes through."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

import pytest

from infra.clock import SystemClock
from infra.dead_letters import DeadLetters
from infra.kafka import Message
from infra.stored_objects import StoreUnavailable
from streams.supervised import Patience, Supervised
from tests.fakes.recorded_producer import RecordedProducer

BATCH = [Message("notes", b"k", b"%d" % i, partition=0, offset=i) for i in range(3)]


class GaveUpError(BaseException):
    """In these tests the process ends by this."""


def give_up() -> NoReturn:
    raise GaveUpError


@dataclass
class SlowStage:
    """A stage whose step begins, and goes on only when it is let."""

    name = "slow"
    topic = "notes"
    schema = "urn:notes"

    away: bool = False
    begun: threading.Event = field(default_factory=threading.Event)
    may_end: threading.Event = field(default_factory=threading.Event)
    done: list[bytes] = field(default_factory=list)

    def decode(self, message: Message) -> bytes:
        return message.value

    def step(self, items: Sequence[bytes]) -> None:
        self.begun.set()
        if self.away and not self.may_end.is_set():
            raise StoreUnavailable("503")
        assert self.may_end.wait(5)
        self.done += items


def supervised(stage: SlowStage, *, stopping_s: float = 5.0) -> Supervised[bytes]:
    return Supervised(
        stage,
        DeadLetters(RecordedProducer(), SystemClock()),
        patience=Patience(
            world_s=5.0, stopping_s=stopping_s, first_pause_s=0.001, longest_pause_s=0.002
        ),
        give_up=give_up,
    )


async def begin(stage: SlowStage, carry: Supervised[bytes]) -> asyncio.Task[None]:
    task = asyncio.ensure_future(_call(carry))
    await asyncio.to_thread(stage.begun.wait, 5)
    return task


async def _call(carry: Callable[[Sequence[Message]], Awaitable[None]]) -> None:
    await carry(BATCH)


async def turns(count: int = 5) -> None:
    """Let everything that is ready in the loop have its turn."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_a_cancellation_waits_for_the_batch_and_then_goes_on() -> None:
    stage = SlowStage()

    async def story() -> None:
        task = await begin(stage, supervised(stage))
        task.cancel()
        await turns()
        assert not task.done()
        stage.may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())
    assert stage.done == [b"0", b"1", b"2"]


def test_a_second_cancellation_is_as_patient_as_the_first() -> None:
    stage = SlowStage()

    async def story() -> None:
        task = await begin(stage, supervised(stage))
        for _ in range(3):
            task.cancel()
            await turns()
            assert not task.done()
        stage.may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())
    assert stage.done == [b"0", b"1", b"2"]


def test_cancelling_every_task_of_the_loop_does_not_reach_the_work() -> None:
    stage = SlowStage()

    async def story() -> None:
        task = await begin(stage, supervised(stage))
        for other in asyncio.all_tasks() - {asyncio.current_task()}:
            other.cancel()
        await turns()
        assert not task.done()
        stage.may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())
    assert stage.done == [b"0", b"1", b"2"]


def test_stopping_while_the_world_is_wrong_gives_up_after_its_bound_and_acknowledges_nothing() -> (
    None
):
    stage = SlowStage(away=True)

    async def story() -> None:
        task = await begin(stage, supervised(stage, stopping_s=0.02))
        task.cancel()
        try:
            with pytest.raises(GaveUpError):
                await task
        finally:
            # In a process that is no more, nothing would go on behind it.
            stage.may_end.set()

    asyncio.run(story())


def test_a_batch_that_is_not_stopped_returns_when_it_is_done() -> None:
    stage = SlowStage()
    stage.may_end.set()
    asyncio.run(_call(supervised(stage)))
    assert stage.done == [b"0", b"1", b"2"]
