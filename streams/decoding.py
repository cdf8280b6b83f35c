"""Messages of the topics that carry our own events, decoded."""

from typing import TypeVar

from infra.kafka import Message
from schemas.events import Event, EventData, UnreadableEventError
from streams.stage import UnreadableMessageError

D = TypeVar("D", bound=EventData)


def decode_event(envelope: type[Event[D]], message: Message) -> D:
    """Return the data of the event in a message. Raises `UnreadableMessageError`."""
    try:
        return envelope.decode(message.value).data
    except UnreadableEventError as error:
        raise UnreadableMessageError(str(error)) from error
