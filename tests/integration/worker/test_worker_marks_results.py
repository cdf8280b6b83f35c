"""A stored result says by what it was made, and carries the operator's label where it has one."""

import io

import numpy as np
import pytest
from PIL import Image

from schemas.ids import AccountId
from schemas.states import JobState
from tests.integration.worker.worker_world import WorkerWorld, saved


@pytest.mark.parametrize("producer", [None, "A provider of pictures"])
def test_a_result_names_the_operation_and_the_operators_label(
    world: WorkerWorld, account: AccountId, producer: str | None
) -> None:
    hole = np.zeros((24, 32), np.uint8)
    hole[8:12, 10:16] = 255
    pixels = np.full((24, 32, 3), 90, np.uint8)
    upload = world.upload(account, saved(pixels), preset="inpaint", mask=saved(hole))
    (job_id,) = world.hand_out(upload)
    running = world.start(aigc_producer=producer)

    running.until(lambda: world.jobs.job(job_id).state is JobState.RUNNING)
    assert running.worker.drain(60)

    (stored,) = world.store.results().values()
    with Image.open(io.BytesIO(stored)) as written:
        packet = written.info["xmp"].decode()
    assert "digitalsourcetype/algorithmicallyEnhanced" in packet
    assert 'stEvt:parameters="inpaint"' in packet
    assert (f"&quot;ProduceID&quot;:&quot;{job_id}&quot;" in packet) is (producer is not None)
    assert ("&quot;A provider of pictures&quot;" in packet) is (producer is not None)
