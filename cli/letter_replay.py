"""The command `picmend dlq replay`."""

from typing import Annotated, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli.books import print_json
from cli.context import EXIT_FAILED, EXIT_NO_STACK, fail
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
    meant,
    topic_reader,
)
from infra.clock import SystemClock
from infra.dead_letters import LetterBox
from infra.kafka import BrokerUnavailableError
from infra.replay import Pace, Replay, Replayed

_TIME: Final = SystemClock()
_PACE: Final = Pace()


def replay(
    topic: TopicArgument,
    *,
    partition: Partition = 0,
    offset: Offset = None,
    everything: Everything = False,
    reason: Reason = None,
    error: Error = None,
    since: Since = None,
    rate: Annotated[float, typer.Option(min=0.1, max=5000, help="Messages a second.")] = _PACE.rate,
    stop_after: Annotated[
        int, typer.Option(min=1, help="End once so many have come back dead.")
    ] = _PACE.stop_after,
    watch_s: Annotated[
        float,
        typer.Option(min=0, help="Seconds to look for what comes back, behind the last message."),
    ] = _PACE.watch_s,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would be sent, and send nothing.")
    ] = False,
    yes: Yes = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Send letters back to the topic that they came from, and mark them as done.

    Bytes and key go back untouched. Whatever ends a replay, the next one does the rest; a
    crash between sending a letter and marking it leaves it open, and it is sent twice:
    harmless, since every reader drops what it knows. A message that fails again becomes a new
    letter, and a replay ends when some have: exit code 1.
    """
    conditions = filtered(reason, error, since)
    choice = chosen(partition, offset, conditions, everything=everything)
    with topic_reader(data_dir) as letters_of, topic_reader(data_dir) as returned:
        box = LetterBox(letters_of)
        source = known(box, topic)
        places = meant(box, source, choice)
        if dry_run:
            _say(
                {"would_replay": len(places)}, f"{len(places)} would be replayed.", as_json=as_json
            )
            return
        if places and not yes:
            typer.confirm(f"Replay {len(places)} of {source}?", abort=True, err=True)
        letters = (letter for letter in box.open(source) if letter.place in places)
        with clerk_of(data_dir) as clerk, _progress(len(places), quiet=as_json) as progress:
            task = progress.add_task("", total=len(places))
            sent = 0

            def on_sent(so_far: int, came_back: int) -> None:
                nonlocal sent
                sent = so_far
                told = f"replaying, {came_back} came back" if came_back else "replaying"
                progress.update(task, completed=so_far, description=told)

            pace = Pace(rate, stop_after, watch_s)
            try:
                done = Replay(clerk, returned, source, pace, _TIME).run(
                    letters if places else (), on_sent
                )
            except BrokerUnavailableError as away:
                fail(f"{sent} done, then: {away}. Call it again for the rest.", EXIT_NO_STACK)
    _report(done, as_json=as_json)


def _report(done: Replayed, *, as_json: bool) -> None:
    words = f"{done.sent} replayed." if done.sent else "Nothing open was there to be replayed."
    if done.came_back:
        words += f" {done.came_back} came back dead: see `picmend dlq list`."
    if done.stopped:
        words += " Stopped for that; the others are still open."
    record: dict[str, object] = {
        "replayed": done.sent,
        "came_back": done.came_back,
        "stopped": done.stopped,
    }
    _say(record, words, as_json=as_json)
    if done.came_back:
        raise typer.Exit(EXIT_FAILED)


def _say(record: dict[str, object], words: str, *, as_json: bool) -> None:
    if as_json:
        print_json(record)
    else:
        typer.echo(words)


def _progress(total: int, *, quiet: bool) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, transient=True, disable=quiet or not total)
