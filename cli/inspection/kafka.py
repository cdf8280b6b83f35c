"""What Kafka shows to be wrong: consumers that stand still, dead letters that wait."""

from collections.abc import Mapping

from cli.inspection.findings import Found, OutsideCode, outside
from infra.dead_letters import LetterBox
from infra.kafka_lag import STREAMS, WORKERS, LagReader, TopicProgress
from infra.topic_reader import TopicReader
from schemas import topics
from schemas.operations import OperationName

Progress = Mapping[str, TopicProgress]


def progress(bootstrap: str) -> Progress:
    """Return how far every group is on each topic. Raises `BrokerUnavailableError`."""
    reader = LagReader(bootstrap)
    try:
        return {each.topic: each for group in (STREAMS, WORKERS) for each in reader.read(group)}
    finally:
        reader.close()


def standing_still(before: Progress, now: Progress, running: Mapping[str, int]) -> list[Found]:
    """Return the topics whose group was behind at both times and committed nothing between.

    Workers take nothing while they are busy: `running` are the jobs that run, by operation.
    """
    busy = {topics.work(operation) for operation in OperationName if running.get(operation)}
    return [
        outside(
            OutsideCode.CONSUMER_STANDS_STILL,
            topic,
            f"{then.group} is {now[topic].lag} messages behind and committed nothing meanwhile",
        )
        for topic, then in sorted(before.items())
        if then.lag
        and now[topic].lag
        and then.committed == now[topic].committed
        and topic not in busy
    ]


def open_letters(bootstrap: str) -> list[Found]:
    """Return each topic that has open dead letters. Raises `BrokerUnavailableError`."""
    reader = TopicReader(bootstrap, client_id="picmend-check")
    try:
        box = LetterBox(reader)
        found = []
        for source in box.sources():
            times = [letter.at for letter in box.open(source)]
            if times:
                detail = f"{len(times)} are open, the oldest since {min(times).isoformat()}"
                found.append(outside(OutsideCode.DEAD_LETTERS_OPEN, source, detail))
        return found
    finally:
        reader.close()
