"""Uploads of which the header alone says that no worker would take them."""

from __future__ import annotations

import json
import struct
import zlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from infra.object_store import from_settings
from schemas import keys, topics
from schemas.events import Event, JobRequested
from schemas.sizes import MAX_FRAMES
from schemas.states import JobState
from streams.admission import Admission
from streams.uploads import Announcer, upload_of
from tests.integration.streams.streams_world import LIFETIME, World, png

if TYPE_CHECKING:
    from infra.kafka import KafkaPythonProducer
    from infra.settings import Settings
    from infra.topic_reader import TopicReader


def of_frames(frames: int) -> bytes:
    """Return a PNG that says it has so many frames."""
    data = struct.pack(">4sII", b"acTL", frames, 0)
    chunk = struct.pack(">I", 8) + data + struct.pack(">I", zlib.crc32(data))
    whole = png()
    return whole[:33] + chunk + whole[33:]


def test_an_upload_that_no_worker_would_take_is_rejected_before_anything_is_held(
    world: World, settings: Settings, producer: KafkaPythonProducer, reader: TopicReader
) -> None:
    account = world.account()
    with world.pool.connection() as conn:
        conn.execute(
            "INSERT INTO presets (name, account_id, operation, parameters)"
            " VALUES ('webp-x4', %s, 'upscale', %s)",
            (account, json.dumps({"model": "fast", "factor": 4, "format": "webp"})),
        )
    # preset, bytes, how it is decided, a part of why
    sent = [
        ("upscale-fast-x4", png(1, 1001), "image_too_large", "over 1000 times the other"),
        ("webp-x4", png(4096, 5), "image_too_large", "webp holds 16383 a side"),
        ("upscale-fast-x4", of_frames(MAX_FRAMES + 1), "too_many_frames", "201 frames"),
        ("upscale-fast-x4", png() + bytes(5000), "file_too_large", "5000 are taken"),
        ("inpaint", png(), "file_too_large", "the mask has 50"),
        ("upscale-fast-x4", png(1, 1000), None, ""),
        ("webp-x4", png(4095, 5), None, ""),
        ("upscale-fast-x4", of_frames(MAX_FRAMES), None, ""),
        ("identity", png(1, 1001), None, ""),
    ]
    store = from_settings(settings)
    announcer = Announcer(
        world.pool,
        store,
        producer,
        world.clock,
        mask_wait=timedelta(hours=1),
        max_bytes=5000,
    )
    uploads = []
    for number, (preset, data, _, _) in enumerate(sent):
        key = keys.input_key(account, preset, f"{number}.png")
        etag = store.put(key, data, "image/png")
        if preset == "inpaint":
            store.put(keys.mask_key(key), png(mode="L") + bytes(5000), "image/png")
        upload = upload_of(key, etag=etag, version_id=None, size=len(data), at=datetime.now(UTC))
        assert upload is not None
        uploads.append(upload)

    announcer.announce(uploads, found_by="event")
    mine = f'"bucket":"{store.bucket}"'.encode()
    asked = {
        request.key: request
        for message in reader.read(topics.JOB_REQUESTS)
        if mine in message.value
        for request in (Event[JobRequested].decode(message.value).data,)
    }
    Admission(world.pool, world.clock, LIFETIME).step(list(asked.values()))

    for upload, (_, _, code, told) in zip(uploads, sent, strict=True):
        job = world.job(asked[upload.key].job_id)
        assert job.code == code
        assert told in job.detail
        assert job.state is (JobState.QUEUED if code is None else JobState.REJECTED)
    assert world.count("holds") == sum(code is None for _, _, code, _ in sent)
    store.close()
