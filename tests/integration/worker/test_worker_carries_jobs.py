"""From a work message to a result in the store and a report on Kafka."""

import hashlib
import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from domain.billing import service as billing
from domain.billing.model import Balance
from domain.jobs.model import result_key
from processors.content import Forbidden
from processors.operations import Restorer
from schemas.errors import ErrorCode
from schemas.events import WorkFinished
from schemas.ids import AccountId, JobId
from schemas.states import JobState
from streams.results import ending_of
from tests.integration.worker.worker_world import Running, WorkerWorld, png, saved


def carried(world: WorkerWorld, running: Running, job_id: JobId) -> WorkFinished:
    """Turn the worker until it has taken and ended the job; return its one report."""
    running.until(lambda: world.jobs.job(job_id).state is JobState.RUNNING)
    assert running.worker.drain(60)
    (report,) = world.reports(job_id)
    return report


def test_an_identity_job_ends_with_its_very_bytes_stored_and_reported(
    world: WorkerWorld, account: AccountId
) -> None:
    data = png()
    (job_id,) = world.hand_out(world.upload(account, data))

    report = carried(world, world.start("w-9"), job_id)

    key = result_key(world.jobs.job(job_id), "png")
    assert world.store.results() == {key: data}
    assert report.result is not None
    assert (report.outcome, report.attempt, report.worker) == ("succeeded", 1, "w-9")
    assert (report.result.key, report.result.size, report.result.media_type) == (
        key,
        len(data),
        "image/png",
    )
    assert report.result.etag == world.store.head(key).etag
    assert report.source_sha256 == hashlib.sha256(data).hexdigest()
    assert report.finished_at >= report.started_at
    assert world.lag() == 0


def test_a_marked_region_is_filled_and_the_rest_is_as_it_was(
    world: WorkerWorld, account: AccountId
) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (24, 32, 3), np.uint8)
    hole = np.zeros((24, 32), np.uint8)
    hole[8:12, 10:16] = 255
    upload = world.upload(account, saved(pixels), preset="inpaint", mask=saved(hole))
    (job_id,) = world.hand_out(upload)

    report = carried(world, world.start(), job_id)

    assert report.outcome == "succeeded"
    assert report.report is not None
    assert set(report.report.phases_ms) == {"fetch", "decode", "restore", "encode"}
    (filled,) = world.store.results().values()
    after = np.asarray(Image.open(io.BytesIO(filled)))
    assert np.array_equal(after[hole == 0], pixels[hole == 0])
    assert not np.array_equal(after[hole == 255], pixels[hole == 255])


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def flat(width: int, height: int, extra: bytes = b"", rows: bytes | None = None) -> bytes:
    """Return a black PNG, with `extra` chunks before its pixels, or other packed rows."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    packed = zlib.compress(bytes((width + 1) * height)) if rows is None else rows
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", packed)
        + chunk(b"IEND", b"")
    )


def truncated() -> bytes:
    return png()[:-60]


def damaged() -> bytes:
    return flat(32, 24, rows=b"these are no packed rows")


def text_bomb() -> bytes:
    return flat(32, 24, extra=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(200_000_000), 9)))


def picture_bomb() -> bytes:
    return flat(60_000, 60_000, rows=zlib.compress(bytes(1000)))


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (truncated, ErrorCode.TRUNCATED_IMAGE),
        (damaged, ErrorCode.UNREADABLE_IMAGE),
        (text_bomb, ErrorCode.UNREADABLE_IMAGE),
        (picture_bomb, ErrorCode.IMAGE_TOO_LARGE),
    ],
)
def test_a_file_that_was_admitted_by_its_header_and_cannot_be_decoded_fails_with_its_code(
    world: WorkerWorld, account: AccountId, make: Callable[[], bytes], code: ErrorCode
) -> None:
    upload = world.upload(
        account, make(), preset="inpaint", mask=saved(np.zeros((24, 32), np.uint8))
    )
    (job_id,) = world.hand_out(upload)

    report = carried(world, world.start(), job_id)

    assert (report.outcome, report.code) == ("failed", code)
    assert report.detail
    assert world.store.results() == {}


def test_a_mask_of_another_size_fails_the_job(world: WorkerWorld, account: AccountId) -> None:
    mask = saved(np.full((24, 31), 255, np.uint8))
    (job_id,) = world.hand_out(world.upload(account, png(), preset="inpaint", mask=mask))

    report = carried(world, world.start(), job_id)

    assert (report.outcome, report.code) == ("failed", ErrorCode.MASK_SIZE_MISMATCH)
    assert "31x24" in report.detail


def test_a_source_that_was_overwritten_deleted_or_is_of_another_size_has_changed(
    world: WorkerWorld, account: AccountId
) -> None:
    mask = saved(np.zeros((24, 32), np.uint8))
    overwritten, deleted = world.upload(account, png()), world.upload(account, png())
    grown = world.upload(account, png(33, 24), preset="inpaint", mask=mask)
    world.store.put(overwritten.source.key, png(seed=2), "image/png")
    world.store.delete(deleted.source.key)
    job_ids = world.hand_out(overwritten, deleted, grown)

    running = world.start()
    running.until(lambda: "dispatched" not in world.jobs.states(*job_ids))
    assert running.worker.drain(60)

    reports = world.reports(*job_ids)
    assert {report.job_id for report in reports} == set(job_ids)
    assert {(report.outcome, report.code) for report in reports} == {("failed", "source_changed")}
    assert world.store.results() == {}


def test_a_picture_that_the_content_rules_forbid_ends_refused_and_free_of_charge(
    world: WorkerWorld,
) -> None:
    account = world.jobs.account(funds=1000)
    (job_id,) = world.hand_out(world.upload(account, png(), preset="inpaint", mask=png()))
    assert billing.balance(world.jobs.conn, account) == Balance(0, 1000, "CNY")
    with Restorer(inspect=lambda _: Forbidden("weapons")) as restorer:
        report = carried(world, world.start(restorer=restorer), job_id)

    assert (report.outcome, report.code, report.detail) == (
        "refused",
        ErrorCode.CONTENT_REFUSED,
        "weapons",
    )
    assert world.store.results() == {}
    world.jobs.end(ending_of(report))
    world.jobs.bill()
    job = world.jobs.job(job_id)
    assert (job.state, job.code, job.detail) == (JobState.REFUSED, "content_refused", "weapons")
    assert billing.balance(world.jobs.conn, account) == Balance(1000, 0, "CNY")
    assert world.jobs.open_holds() == frozenset()
