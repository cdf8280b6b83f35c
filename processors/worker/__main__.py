"""`python -m processors.worker`: takes work from Kafka until told to stop."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Final

import torch

from domain.jobs.model import Job
from domain.pipeline.claim import claim_batch, hand_back, renew_leases
from infra import logs, metrics, tracing
from infra.allowances import KafkaAllowances
from infra.clock import Clock, SystemClock
from infra.ending import end_soon
from infra.halts import Halts
from infra.kafka import KafkaPythonConsumer, KafkaPythonProducer
from infra.kafka_lag import WORKERS
from infra.monitor import Monitor
from infra.object_store import from_settings
from infra.postgres import Pool, open_pool
from infra.pulse import TURN_S, Pulse
from infra.refusals import Gate, cap_of
from infra.schema_version import require_schema
from infra.settings import Settings, settings
from processors.images.decoder import Decoder
from processors.images.limits import DecodeLimits
from processors.models.registry import Registry
from processors.operations import Restorer
from processors.worker.execute import Executor
from processors.worker.leases import Leases
from processors.worker.loop import STAGE, Worker
from processors.worker.presence import Presence
from schemas.ids import JobId

DRAIN_S: Final = 8.0
"""How long a stop waits for what runs; what takes longer is given back to other workers."""

LEAVE_S: Final = 2.0
"""How long a stop waits to be told of, and then for what is given back: what was not is found out
after 15 s."""

PARTS: Final = ("loop", "leases", "jobs")
"""What `/health` judges: the loop, the renewal of leases, and that the jobs make progress."""

_log = logs.logger(__name__)


class Claims:
    """The domain's claim and lease, as one worker uses them."""

    def __init__(self, pool: Pool, clock: Clock, *, worker: str, lease: timedelta) -> None:
        self._pool = pool
        self._clock = clock
        self._worker = worker
        self._lease = lease

    def claim(self, attempts: Sequence[tuple[JobId, int]]) -> list[Job]:
        """Claim attempts in one transaction; return those that are this worker's now."""
        with self._pool.connection() as conn:
            return claim_batch(
                conn, attempts, worker=self._worker, lease=self._lease, clock=self._clock
            )

    def renew(self, attempts: Sequence[tuple[JobId, int]]) -> Mapping[JobId, bool]:
        """Renew leases in one statement; return which still run, and whether they must stop."""
        with self._pool.connection() as conn:
            return renew_leases(conn, attempts, lease=self._lease, clock=self._clock)

    def hand_back(self, attempts: Sequence[tuple[JobId, int]]) -> list[JobId]:
        """Put attempts back in line in one transaction; return those that were this worker's."""
        with self._pool.connection() as conn:
            return hand_back(conn, attempts, clock=self._clock)


def main() -> None:
    """Run until SIGTERM or Ctrl-C."""
    config = settings()
    logs.configure(config.log_level)
    metrics.introduce("worker")
    tracing.start(config.traces_endpoint, process="worker")
    require_schema(config.database_url.get_secret_value())
    if config.network_threads:
        torch.set_num_threads(config.network_threads)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    with Monitor(host=config.monitor_host, port=config.monitor_port) as monitor:
        try:
            run(config, stopping, monitor)
        finally:
            # Only an error leads here, and a job that hangs must not keep the process then.
            end_soon()


def run(
    config: Settings,
    stopping: threading.Event,
    monitor: Monitor,
    *,
    make_claims: Callable[..., Claims] = Claims,
) -> None:
    """Put the worker together, and let it work until `stopping` is set, watched by `monitor`."""
    name = f"{socket.gethostname()}-{os.getpid()}"
    clock = SystemClock()
    pool = open_pool(
        config.database_url.get_secret_value(),
        size=config.database_pool,
        name="worker",
        check=False,
    )
    claims = make_claims(pool, clock, worker=name, lease=timedelta(seconds=config.lease_s))
    leases = Leases(
        claims.renew,
        clock,
        lease_s=config.lease_s,
        renewal_s=config.lease_renewal_s,
        hand_back=claims.hand_back,
    )
    capacity = config.slots()
    producer = KafkaPythonProducer(config.kafka_bootstrap, client_id=f"picmend-{name}")
    consumer = KafkaPythonConsumer(
        config.kafka_bootstrap,
        WORKERS.topics,
        group=WORKERS.name,
        client_id=f"picmend-{name}",
    )
    halts, allowances = Halts(), KafkaAllowances(config.kafka_bootstrap, clock)
    monitor.watch_halts(halts)
    with (
        Decoder(DecodeLimits(file_bytes=config.max_image_bytes)) as decoder,
        Restorer(Registry(models_dir=config.models)) as restorer,
    ):
        decoder.warm()
        executor = Executor(
            from_settings(config),
            leases,
            decoder,
            restorer,
            clock,
            max_bytes=config.max_image_bytes,
            pixels_in_hand=config.pixels_in_hand,
            aigc_producer=config.aigc_producer,
        )
        worker = Worker(
            name,
            consumer,
            producer,
            claim=claims.claim,
            leases=leases,
            executor=executor,
            time=clock,
            slots=capacity,
            make_gate=partial(
                Gate, STAGE, time=clock, cap=cap_of(config), allowances=allowances, halts=halts
            ),
        )
        turns, renewals, jobs = (Pulse(name, within_s=TURN_S) for name in PARTS)
        monitor.watch(turns, renewals, jobs)
        renewing = threading.Thread(
            target=_keep_renewing,
            args=(leases, config.lease_renewal_s, renewals),
            name="leases",
            daemon=True,
        )
        renewing.start()
        presence = Presence(pool, clock, worker=name, slots=capacity)
        present = threading.Thread(
            target=presence.keep, args=(stopping,), name="presence", daemon=True
        )
        present.start()
        told = False
        while not stopping.is_set():
            worker.step()
            turns.beat()
            if not leases.stalled():
                jobs.beat()
            held = consumer.partitions()
            monitor.consumes(held, full=worker.full())
            if not told and held:
                monitor.tell_ready()
                told = True
        # First of all: what waits on its partitions goes to another while the last jobs end.
        consumer.close()
        if not worker.drain(DRAIN_S):
            _log.warning("left_running", worker=name)
            giving = threading.Thread(target=leases.hand_back_all, name="hand_back", daemon=True)
            giving.start()
            giving.join(LEAVE_S)
        present.join(LEAVE_S)
    producer.close()
    tracing.stop()
    # Threads that still run a job must not hold the process: it has been given back.
    os._exit(0)


def _keep_renewing(leases: Leases, every_s: float, pulse: Pulse) -> None:
    """Renew until the process ends: also while a stop waits for what runs."""
    while True:
        time.sleep(every_s)
        pulse.beat()
        leases.renew_all()


if __name__ == "__main__":
    main()
