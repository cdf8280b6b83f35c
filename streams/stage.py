"""What a stage of the pipeline is: it reads one topic, and handles messages in batches."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from infra.kafka import Message

T = TypeVar("T")


class UnreadableMessageError(ValueError):
    """The message is not what its topic carries, and never will be."""


class NewerMessageError(UnreadableMessageError):
    """The message is right, and of a newer version than this: one that knows it can handle it."""


class Stage(Protocol[T]):
    """One stage. `name` is the agent's, `schema` names what the topic's messages are.

    `linger_s` is how long a batch is gathered: a job waits half of it here, on average, and
    larger batches cost less CPU a job.
    """

    name: str
    topic: str
    schema: str
    linger_s: float

    def decode(self, message: Message) -> T:
        """Return what the message says. Raises `UnreadableMessageError`."""
        ...

    def step(self, items: Sequence[T]) -> None:
        """Handle a batch wholly, or raise and leave nothing done that may not be done again.

        May block for as long as a server takes. An error of the world (`infra.world`) means
        that the batch will come again; any other, that one of its messages is wrong.
        """
        ...
