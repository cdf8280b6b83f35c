"""An agent in a process of its own that is stopped while it is fed, so that it never waits."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from bench.agents import TOLD, Kind
from infra import ready
from infra.kafka import KafkaPythonProducer, Message
from infra.kafka_topics import TopicSpec, create_topics
from infra.stack import Stack

_DEADLINE_S: Final = 120.0
_CHUNK: Final = 1_000


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent, and the topic that it alone reads."""

    process: subprocess.Popen[str]
    topic: str

    def rate(self, producer: KafkaPythonProducer, messages: Sequence[Message]) -> float:
        """Send it messages, let it go, and return how many a second it carried through."""
        self.process.send_signal(signal.SIGSTOP)
        for start in range(0, len(messages), _CHUNK):
            producer.send_all(messages[start : start + _CHUNK])
        begun = time.perf_counter()
        self.process.send_signal(signal.SIGCONT)
        done = 0
        while done < len(messages):
            done += self._batch()
        return done / (time.perf_counter() - begun)

    def _batch(self) -> int:
        line = self.process.stdout.readline() if self.process.stdout else ""
        if not line:
            raise RuntimeError(f"the agent on {self.topic} has ended")
        # Faust has the terminal show its cursor, on this very pipe.
        return int(line.rpartition(TOLD)[2])


@contextmanager
def agent(stack: Stack, place: Path, kind: Kind) -> Iterator[Agent]:
    """Run an agent on a topic of its own, with the partitions that the real ones have."""
    topic = f"bench-{kind}"
    create_topics(stack.settings().kafka_bootstrap, topics=[TopicSpec(topic, timedelta(days=1))])
    told = place / f"{kind}.ready"
    process = subprocess.Popen(  # noqa: S603 - this very Python, with our own module
        [sys.executable, "-m", "bench.agents", kind, topic],
        env={**os.environ, **stack.environment, ready.VARIABLE: str(told)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + _DEADLINE_S
        while not told.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the agent {kind} did not start")
            time.sleep(0.05)
        yield Agent(process, topic)
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(30)
        if process.stdout:
            process.stdout.close()
