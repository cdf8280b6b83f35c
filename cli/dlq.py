"""`picmend dlq`: what could not be handled, why, and what is to become of it."""

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.context import EXIT_NO_STACK, fail, load_settings
from cli.letter_text import as_record, as_text, plain
from infra.dead_letters import Clerk, DeadLetter, LetterBox, Place
from infra.kafka import BrokerUnavailableError, KafkaPythonProducer
from infra.topic_reader import TopicReader
from schemas.topics import DLQ_SUFFIX

_CLIENT: Final = "picmend-dlq"
_CHUNK: Final = 500

app = typer.Typer(
    name="dlq",
    no_args_is_help=True,
    add_completion=False,
    help=(
        "Dead letters: messages that could not be handled, kept untouched with their reason. "
        "A letter is open until it is replayed or dropped; either writes a mark behind it on "
        "its topic. Letters and marks are kept for 30 days."
    ),
    epilog=(
        "Exit codes: 0 done; 1 no such topic or letter, or not confirmed; 2 called wrongly; "
        "3 no stack runs or Kafka does not answer."
    ),
)

TopicArgument = Annotated[
    str, typer.Argument(metavar="TOPIC", help="The topic that they came from, or its .dlq.")
]
Partition = Annotated[int, typer.Option(min=0, help="Partition of the .dlq, for --offset.")]
Offset = Annotated[int | None, typer.Option(min=0, help="The one letter at this offset.")]
Everything = Annotated[bool, typer.Option("--all", help="Every open letter.")]
Reason = Annotated[str | None, typer.Option(help="The open letters with this reason.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DataDir = Annotated[Path | None, typer.Option(help="State of the stack to use.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@dataclass(slots=True)
class Group:
    """Open letters of one topic and reason: how many, and when the first and last came."""

    topic: str
    reason: str
    count: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Choice:
    """Which open letters are meant: the one at a place, those with a reason, or all."""

    place: Place | None
    reason: str | None

    def takes(self, letter: DeadLetter) -> bool:
        """Tell whether a letter is meant."""
        if self.place is not None:
            return letter.place == self.place
        return self.reason in (None, letter.reason)


@app.command("list")
def list_letters(*, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Count open letters by topic and reason, with the times of the first and the last."""
    with _letter_box(data_dir) as box:
        groups = [group for source in box.sources() for group in grouped(box.open(source))]
    if as_json:
        found = [
            {
                "topic": group.topic,
                "reason": group.reason,
                "count": group.count,
                "first": group.first.isoformat(),
                "last": group.last.isoformat(),
            }
            for group in groups
        ]
        _print_json({"open": sum(group.count for group in groups), "groups": found})
        return
    if not groups:
        typer.echo("No dead letters are open.")
        return
    table = Table("topic", "reason", "open", "first (UTC)", "last (UTC)")
    for group in groups:
        table.add_row(
            group.topic,
            # Text, since a stranger's reason may look like markup.
            Text(plain(group.reason)),
            str(group.count),
            f"{group.first:%Y-%m-%d %H:%M:%S}",
            f"{group.last:%Y-%m-%d %H:%M:%S}",
        )
    Console().print(table)


@app.command()
def show(
    topic: TopicArgument,
    *,
    partition: Partition = 0,
    offset: Offset = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the oldest first.")] = 10,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Print open letters with headers and payload; with --offset one letter, open or not.

    JSON is indented, anything else becomes a hex dump, and control characters are escaped.
    """
    with _letter_box(data_dir) as box:
        source = _known(box, topic)
        if offset is None:
            letters = list(itertools.islice(box.open(source), limit))
        else:
            letters = [_letter_at(box, source, Place(partition, offset))]
    if as_json:
        _print_json({"letters": [as_record(letter) for letter in letters]})
        return
    for letter in letters:
        typer.echo(as_text(letter))
    if not letters:
        typer.echo(f"No dead letters of {source} are open.")


@app.command()
def replay(
    topic: TopicArgument,
    *,
    partition: Partition = 0,
    offset: Offset = None,
    everything: Everything = False,
    reason: Reason = None,
    yes: Yes = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Send letters back to the topic that they came from, and mark them as done.

    Bytes and key go back untouched. A crash, or a broker that goes away, between sending a
    letter and marking it leaves it open, and the next replay sends it twice: harmless, since
    every reader drops what it knows. A message that fails again becomes a new letter.
    """
    choice = _choice(partition, offset, reason, everything=everything)
    with _letter_box(data_dir) as box, _clerk(data_dir) as clerk:
        done = _work_through(box, topic, choice, clerk.replay, question="Replay", yes=yes)
    _report("replayed", done, as_json=as_json)


@app.command()
def drop(
    topic: TopicArgument,
    *,
    partition: Partition = 0,
    offset: Offset = None,
    everything: Everything = False,
    reason: Reason = None,
    yes: Yes = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Mark letters as done without sending them anywhere. `show --offset` still finds them."""
    choice = _choice(partition, offset, reason, everything=everything)
    with _letter_box(data_dir) as box, _clerk(data_dir) as clerk:
        done = _work_through(box, topic, choice, clerk.drop, question="Drop", yes=yes)
    _report("dropped", done, as_json=as_json)


def grouped(letters: Iterable[DeadLetter]) -> list[Group]:
    """Return one topic's letters counted by reason, in the order of the reasons' names."""
    groups: dict[str, Group] = {}
    for letter in letters:
        group = groups.setdefault(
            letter.reason, Group(letter.source, letter.reason, 0, letter.at, letter.at)
        )
        group.count += 1
        group.first = min(group.first, letter.at)
        group.last = max(group.last, letter.at)
    return [groups[reason] for reason in sorted(groups)]


def _choice(partition: int, offset: int | None, reason: str | None, *, everything: bool) -> Choice:
    if (offset is not None) + everything + (reason is not None) != 1:
        raise typer.BadParameter("give exactly one of --offset, --reason and --all")
    return Choice(None if offset is None else Place(partition, offset), reason)


def _work_through(
    box: LetterBox,
    topic: str,
    choice: Choice,
    act: Callable[[Sequence[DeadLetter]], None],
    *,
    question: str,
    yes: bool,
) -> int:
    """Do something with the open letters that are meant, in chunks; return how many those were.

    What comes to the topic after the question is left alone.
    """
    source = _known(box, topic)
    meant = {letter.place for letter in box.open(source) if choice.takes(letter)}
    if not meant:
        if choice.place is not None:
            _letter_at(box, source, choice.place)
        return 0
    if not yes:
        typer.confirm(f"{question} {len(meant)} of {source}?", abort=True, err=True)
    letters = (letter for letter in box.open(source) if letter.place in meant)
    done = 0
    while chunk := list(itertools.islice(letters, _CHUNK)):
        try:
            act(chunk)
        except BrokerUnavailableError as error:
            fail(f"{done} done, then: {error}. Call it again for the rest.", EXIT_NO_STACK)
        done += len(chunk)
    return done


def _report(word: str, count: int, *, as_json: bool) -> None:
    if as_json:
        _print_json({word: count})
    else:
        typer.echo(f"{count} {word}." if count else f"Nothing open was there to be {word}.")


def _known(box: LetterBox, topic: str) -> str:
    source = topic.removesuffix(DLQ_SUFFIX)
    if source not in (known := box.sources()):
        fail(f"{plain(source)!r} has no dead letters here; these topics may: {', '.join(known)}")
    return source


def _letter_at(box: LetterBox, source: str, place: Place) -> DeadLetter:
    found = next((letter for letter in box.letters(source) if letter.place == place), None)
    if found is None:
        fail(f"no letter of {source} lies at {place.partition}/{place.offset}; see `dlq show`")
    return found


@contextmanager
def _letter_box(data_dir: Path | None) -> Iterator[LetterBox]:
    """Give the letter box of the stack, and end the command in words when Kafka is away."""
    bootstrap = load_settings(data_dir).kafka_bootstrap
    try:
        reader = TopicReader(bootstrap, client_id=_CLIENT)
        try:
            yield LetterBox(reader)
        finally:
            reader.close()
    except BrokerUnavailableError as error:
        fail(str(error), EXIT_NO_STACK)


@contextmanager
def _clerk(data_dir: Path | None) -> Iterator[Clerk]:
    producer = KafkaPythonProducer(load_settings(data_dir).kafka_bootstrap, client_id=_CLIENT)
    try:
        yield Clerk(producer)
    finally:
        producer.close()


def _print_json(value: dict[str, object]) -> None:
    typer.echo(json.dumps(value, ensure_ascii=True))
