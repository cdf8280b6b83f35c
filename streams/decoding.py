"""Messages of the topics that carry our own events, decoded."""

from typing import TypeVar

from infra.kafka import Message
from schemas.events import Event, EventData, NewerEventError, UnreadableEventError
from streams.stage import NewerMessageError, UnreadableMessageError

D = TypeVar("D", bound=EventData)


def decode_event(envelope: type[Event[D]], message: Message) -> D:
    """Return the data of the event in a message.

    Raises `UnreadableMessageError`, and of these `NewerMessageError` for an event that only a
    newer version can read.
    """
    try:
        return envelope.decode(message.value).data
    except NewerEventError as error:
        raise NewerMessageError(str(error)) from error
    except UnreadableEventError as error:
        raise UnreadableMessageError(str(error)) from error
