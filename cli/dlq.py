"""`picmend dlq`: what could not be handled, why, and what is to become of it."""

import itertools
import json
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.context import EXIT_NO_STACK, fail
from cli.letter_choice import (
    AsJson,
    DataDir,
    Error,
    Everything,
    Offset,
    Partition,
    Reason,
    Since,
    TopicArgument,
    Yes,
    chosen,
    clerk_of,
    filtered,
    known,
    letter_at,
    letter_box,
    meant,
    producer_of,
)
from cli.letter_groups import Group, grouped
from cli.letter_replay import replay
from cli.letter_text import as_record, as_text, plain
from infra.allowances import GOOD_FOR, allow
from infra.dead_letters import Place
from infra.kafka import BrokerUnavailableError

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
        "Exit codes: 0 done; 1 no such topic or letter, not confirmed, or replayed ones came back "
        "dead; 2 called wrongly; "
        "3 no stack runs or Kafka does not answer."
    ),
)

app.command()(replay)


@app.command("list")
def list_letters(
    *,
    reason: Reason = None,
    error: Error = None,
    since: Since = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Count open letters by topic, reason and error, with the times of the first and the last.

    What differs from one letter to the next in an error's text (ids, names, numbers) is left
    out. `show TOPIC --offset` shows the example.
    """
    choice = filtered(reason, error, since)
    with letter_box(data_dir) as box:
        groups = [
            group
            for source in box.sources()
            for group in grouped(letter for letter in box.open(source) if choice.takes(letter))
        ]
    if as_json:
        found = [_group_record(group) for group in groups]
        _print_json({"open": sum(group.count for group in groups), "groups": found})
        return
    if not groups:
        typer.echo("No dead letters are open.")
        return
    table = Table("topic", "reason", "error", "open", "first (UTC)", "last (UTC)", "example")
    for group in groups:
        table.add_row(
            group.topic,
            # Text, since a stranger's reason may look like markup.
            Text(plain(group.reason)),
            Text(plain(group.error)),
            str(group.count),
            f"{group.first:%Y-%m-%d %H:%M:%S}",
            f"{group.last:%Y-%m-%d %H:%M:%S}",
            str(group.example.offset),
        )
    Console().print(table)


def _group_record(group: Group) -> dict[str, object]:
    return {
        "topic": group.topic,
        "reason": group.reason,
        "error": group.error,
        "count": group.count,
        "first": group.first.isoformat(),
        "last": group.last.isoformat(),
        "example": {"partition": group.example.partition, "offset": group.example.offset},
    }


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
    with letter_box(data_dir) as box:
        source = known(box, topic)
        if offset is None:
            letters = list(itertools.islice(box.open(source), limit))
        else:
            letters = [letter_at(box, source, Place(partition, offset))]
    if as_json:
        _print_json({"letters": [as_record(letter) for letter in letters]})
        return
    for letter in letters:
        typer.echo(as_text(letter))
    if not letters:
        typer.echo(f"No dead letters of {source} are open.")


@app.command()
def drop(
    topic: TopicArgument,
    *,
    partition: Partition = 0,
    offset: Offset = None,
    everything: Everything = False,
    reason: Reason = None,
    error: Error = None,
    since: Since = None,
    yes: Yes = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Mark letters as done without sending them anywhere. `show --offset` still finds them.

    What comes to the topic after the question is left alone.
    """
    conditions = filtered(reason, error, since)
    choice = chosen(partition, offset, conditions, everything=everything)
    with letter_box(data_dir) as box, clerk_of(data_dir) as clerk:
        source = known(box, topic)
        places = meant(box, source, choice)
        if places and not yes:
            typer.confirm(f"Drop {len(places)} of {source}?", abort=True, err=True)
        letters = (letter for letter in box.open(source) if letter.place in places)
        done = 0
        while places and (chunk := list(itertools.islice(letters, _CHUNK))):
            try:
                clerk.drop(chunk)
            except BrokerUnavailableError as away:
                fail(f"{done} done, then: {away}. Call it again for the rest.", EXIT_NO_STACK)
            done += len(chunk)
    if as_json:
        _print_json({"dropped": done})
    else:
        typer.echo(f"{done} dropped." if done else "Nothing open was there to be dropped.")


@app.command("allow")
def allow_letters(
    topic: TopicArgument,
    *,
    count: Annotated[int, typer.Option(min=0, max=1_000_000, help="How many more letters.")],
    yes: Yes = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Let a consumer that halted for refused input put so many of a topic among the letters.

    It goes on by itself with its next trial. Good for an hour; a later one replaces it, and
    0 takes it back.
    """
    with letter_box(data_dir) as box:
        source = known(box, topic)
    if not yes:
        typer.confirm(
            f"Let {count} messages of {source} become dead letters?", abort=True, err=True
        )
    with producer_of(data_dir) as producer:
        try:
            allow(producer, source, count)
        except BrokerUnavailableError as away:
            fail(str(away), EXIT_NO_STACK)
    if as_json:
        _print_json({"allowed": count, "topic": source})
    else:
        typer.echo(f"{count} allowed for {source}, for {GOOD_FOR.total_seconds() / 60:.0f} min.")


def _print_json(value: dict[str, object]) -> None:
    typer.echo(json.dumps(value, ensure_ascii=True))
