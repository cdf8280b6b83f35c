"""However many jobs a worker has in hand, the network is run by one of them at a time."""

import threading
from concurrent.futures import ThreadPoolExecutor

from processors.engine.room import Room

JOBS, TILES = 4, 20


def test_one_tile_runs_at_a_time() -> None:
    turns, out_of_turn = Room(1), threading.Event()
    inside: list[int] = []
    ran: list[int] = []

    def run(job: int) -> None:
        for _ in range(TILES):
            with turns.taken(1, lambda: None):
                inside.append(job)
                ran.append(job)
                # Long enough for whoever might come in beside it.
                out_of_turn.wait(0.001)
                if inside != [job]:
                    out_of_turn.set()
                inside.remove(job)

    with ThreadPoolExecutor(JOBS) as threads:
        list(threads.map(run, range(JOBS)))

    assert not out_of_turn.is_set()
    assert sorted(ran) == sorted(list(range(JOBS)) * TILES)
