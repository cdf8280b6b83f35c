"""Which dead letters a command means, and where it finds them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from cli.context import EXIT_NO_STACK, fail, load_settings
from cli.letter_groups import normal
from cli.letter_text import plain
from infra.dead_letters import Clerk, DeadLetter, LetterBox, Place
from infra.kafka import BrokerUnavailableError, KafkaPythonProducer
from infra.topic_reader import TopicReader
from schemas.topics import DLQ_SUFFIX

CLIENT: Final = "picmend-dlq"

TopicArgument = Annotated[
    str, typer.Argument(metavar="TOPIC", help="The topic that they came from, or its .dlq.")
]
Partition = Annotated[int, typer.Option(min=0, help="Partition of the .dlq, for --offset.")]
Offset = Annotated[int | None, typer.Option(min=0, help="The one letter at this offset.")]
Everything = Annotated[bool, typer.Option("--all", help="Every open letter.")]
Reason = Annotated[str | None, typer.Option(help="Those with this reason.")]
Error = Annotated[str | None, typer.Option(help="Those whose error, as listed, holds this text.")]
Since = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
        help="Those that came at this time (UTC) or later.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DataDir = Annotated[Path | None, typer.Option(help="State of the stack to use.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which open letters are meant: the one at a place, or all that every condition fits."""

    place: Place | None = None
    reason: str | None = None
    error: str | None = None
    since: datetime | None = None

    def takes(self, letter: DeadLetter) -> bool:
        """Tell whether a letter is meant."""
        if self.place is not None:
            return letter.place == self.place
        error = letter.headers.get("error", "")
        return (
            self.reason in (None, letter.reason)
            and (self.error is None or self.error in error or self.error in normal(error))
            and (self.since is None or letter.at >= self.since)
        )


def filtered(reason: str | None, error: str | None, since: datetime | None) -> Choice:
    """Return the choice of what these conditions, where given, all fit."""
    return Choice(reason=reason, error=error, since=since.replace(tzinfo=UTC) if since else None)


def chosen(partition: int, offset: int | None, conditions: Choice, *, everything: bool) -> Choice:
    """Return the one choice that a command was given; ends it unless that is exactly one."""
    if (offset is not None) + everything + (conditions != Choice()) != 1:
        raise typer.BadParameter(
            "give --offset, or --all, or conditions: --reason, --error, --since"
        )
    return conditions if offset is None else Choice(Place(partition, offset))


def meant(box: LetterBox, source: str, choice: Choice) -> set[Place]:
    """Return the places of the open letters that are meant.

    Ends the command when the choice names a place where no letter lies, open or not.
    """
    places = {letter.place for letter in box.open(source) if choice.takes(letter)}
    if not places and choice.place is not None:
        letter_at(box, source, choice.place)
    return places


def known(box: LetterBox, topic: str) -> str:
    """Return the topic that is meant; ends the command when it has no dead letters."""
    source = topic.removesuffix(DLQ_SUFFIX)
    if source not in (sources := box.sources()):
        fail(f"{plain(source)!r} has no dead letters here; these topics may: {', '.join(sources)}")
    return source


def letter_at(box: LetterBox, source: str, place: Place) -> DeadLetter:
    """Return the letter at a place; ends the command when there is none."""
    found = next((letter for letter in box.letters(source) if letter.place == place), None)
    if found is None:
        fail(f"no letter of {source} lies at {place.partition}/{place.offset}; see `dlq show`")
    return found


@contextmanager
def topic_reader(data_dir: Path | None) -> Iterator[TopicReader]:
    """Give a reader of the stack's topics, and end the command in words when Kafka is away."""
    bootstrap = load_settings(data_dir).kafka_bootstrap
    try:
        reader = TopicReader(bootstrap, client_id=CLIENT)
        try:
            yield reader
        finally:
            reader.close()
    except BrokerUnavailableError as error:
        fail(str(error), EXIT_NO_STACK)


@contextmanager
def letter_box(data_dir: Path | None) -> Iterator[LetterBox]:
    """Give the letter box of the stack, and end the command in words when Kafka is away."""
    with topic_reader(data_dir) as reader:
        yield LetterBox(reader)


@contextmanager
def producer_of(data_dir: Path | None) -> Iterator[KafkaPythonProducer]:
    """Give a producer on the stack."""
    producer = KafkaPythonProducer(load_settings(data_dir).kafka_bootstrap, client_id=CLIENT)
    try:
        yield producer
    finally:
        producer.close()


@contextmanager
def clerk_of(data_dir: Path | None) -> Iterator[Clerk]:
    """Give whoever does something with letters of the stack."""
    with producer_of(data_dir) as producer:
        yield Clerk(producer)
