"""Object events a second through the real agent, with and without the reads of the headers.

Pictures are put once; what the object store announced of them is given again in each round to
intake as it is, and to intake that has every picture's head at hand. No job is made of them, so
they stay unknown, and every one is asked for each time.
"""

import io
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from bench.agents import Kind
from bench.fed import agent
from bench.figures import Figure, show
from infra.kafka import KafkaPythonProducer, Message
from infra.object_store import from_settings
from infra.settings import Settings
from infra.stack import open_stack
from infra.topic_reader import TopicReader
from schemas import keys, topics
from schemas.ids import new_account_id

ROUNDS: Final = 3
OBJECTS: Final = 2_000
_THREADS: Final = 16
_DEADLINE_S: Final = 60.0


def run() -> Iterator[Figure]:
    """Measure; about a minute on two cores."""
    with (
        tempfile.TemporaryDirectory(prefix="picmend-bench-") as folder,
        open_stack(Path(folder)) as stack,
        agent(stack, Path(folder), Kind.INTAKE) as reading,
        agent(stack, Path(folder), Kind.UNREAD) as unread,
    ):
        config = stack.settings()
        announced = _announced(config)
        producer = KafkaPythonProducer(config.kafka_bootstrap, client_id="bench")
        rates: dict[str, list[float]] = {reading.topic: [], unread.topic: []}
        for number in range(ROUNDS + 1):
            for fed in (reading, unread):
                messages = [replace(message, topic=fed.topic) for message in announced]
                rate = fed.rate(producer, messages)
                rates[fed.topic] += [rate] if number else []
        producer.close()
    with_reads = statistics.median(rates[reading.topic])
    without = statistics.median(rates[unread.topic])
    yield Figure("intake", "headers read", with_reads, "events/s", without, with_reads / without)
    yield Figure("intake", "headers at hand", without, "events/s")


def _announced(config: Settings) -> list[Message]:
    """Put pictures, and return what the store announced of them."""
    picture = io.BytesIO()
    Image.fromarray(np.zeros((64, 64, 3), dtype=np.uint8)).save(picture, "PNG")
    store, account_id = from_settings(config, connections=_THREADS), new_account_id()

    def put(number: int) -> None:
        key = keys.input_key(account_id, "identity", f"{number}.png")
        store.put(key, picture.getvalue() + str(number).encode(), "image/png")

    with ThreadPoolExecutor(_THREADS) as threads:
        list(threads.map(put, range(OBJECTS)))
    store.close()
    prefix = f"/buckets/{config.bucket}/in/{account_id}/identity/".encode()
    deadline = time.monotonic() + _DEADLINE_S
    reader = TopicReader(config.kafka_bootstrap, client_id="bench")
    try:
        while True:
            found = {
                message.key: Message(message.topic, message.key, message.value)
                for message in reader.read(topics.OBJECT_EVENTS)
                if message.key and message.key.startswith(prefix)
            }
            if len(found) == OBJECTS:
                return list(found.values())
            if time.monotonic() > deadline:
                raise TimeoutError(f"of {OBJECTS} objects {len(found)} were announced")
            time.sleep(0.2)
    finally:
        reader.close()


def main() -> None:
    """Run this benchmark alone."""
    show(run())


if __name__ == "__main__":
    main()
