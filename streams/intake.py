"""Intake: what the object store announces becomes requested jobs."""

import itertools
from collections.abc import Sequence

from infra.clock import Clock
from infra.kafka import Message
from infra.object_events import ObjectCreated, UnreadableObjectEvent, decode
from schemas import keys, topics
from streams.stage import UnreadableMessageError
from streams.uploads import Announcer, upload_of

_FILER = b"/buckets/"


class Intake:
    """Asks for a job for each finished object under `in/` of one bucket."""

    name = "intake"
    topic = topics.OBJECT_EVENTS
    schema = "object-events: SeaweedFS protobuf, MinIO JSON or AWS S3 JSON"
    linger_s = 0.05

    def __init__(self, announcer: Announcer, clock: Clock, *, bucket: str) -> None:
        self._announcer = announcer
        self._clock = clock
        self._bucket = bucket
        self._inputs = _FILER + f"{bucket}/{keys.INPUT_PREFIX}".encode()

    def decode(self, message: Message) -> list[ObjectCreated]:
        """See `Stage`. A key with U+0000, which no table can hold, is unreadable.

        SeaweedFS announces results and staged files too, half of all there is: those are told
        by the message's key, unread.
        """
        if (
            message.key
            and message.key.startswith(_FILER)
            and not message.key.startswith(self._inputs)
        ):
            return []
        try:
            created = decode(message.key, message.value)
        except UnreadableObjectEvent as error:
            raise UnreadableMessageError(str(error)) from error
        for one in created:
            if "\0" in one.key:
                raise UnreadableMessageError(f"the key {one.key!r} holds U+0000")
        return created

    def step(self, items: Sequence[list[ObjectCreated]]) -> None:
        """Ask for the jobs of a batch. Asking twice for one is harmless."""
        uploads = [
            upload
            for created in itertools.chain.from_iterable(items)
            if created.bucket == self._bucket
            and (
                upload := upload_of(
                    created.key,
                    etag=created.etag,
                    version_id=created.version_id,
                    size=created.size,
                    at=created.event_time or self._clock.now(),
                )
            )
        ]
        if uploads:
            self._announcer.announce(uploads, found_by="event")
