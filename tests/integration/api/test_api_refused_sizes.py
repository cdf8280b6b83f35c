"""Pictures of which the header alone says that no worker would take them."""

import struct
import zlib

import httpx
import pytest

from schemas.sizes import MAX_FRAMES
from tests.integration.api.api_world import Client, World, assert_problem, png, serving


def of_frames(frames: int) -> bytes:
    """Return a PNG that says it has so many frames."""
    data = struct.pack(">4sII", b"acTL", frames, 0)
    chunk = struct.pack(">I", 8) + data + struct.pack(">I", zlib.crc32(data))
    whole = png()
    return whole[:33] + chunk + whole[33:]


# the picture, what is asked for, the code, what the detail names
REFUSED = {
    "thread": (png(1, 1001), "{}", "image_too_large", "of 1x1001, one side is over 1000 times"),
    "result": (
        png(4096, 5),
        '{"format": "webp"}',
        "image_too_large",
        "4096x5 pixels times 4 a side are 16384x20; webp holds 16383 a side",
    ),
    "frames": (of_frames(MAX_FRAMES + 1), "{}", "too_many_frames", "201 frames; 200 are taken"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_picture_that_no_worker_would_take_is_refused_before_anything_is_held(
    world: World, client: Client, name: str
) -> None:
    picture, parameters, code, told = REFUSED[name]
    asked = {"operation": "upscale", "parameters": parameters}

    in_english = client.post_job(picture, fields=asked)
    in_chinese = client.post_job(picture, fields=asked, headers={"Accept-Language": "zh-CN"})

    problems = [assert_problem(each, 422, code) for each in (in_english, in_chinese)]
    assert [told in str(problem["detail"]) for problem in problems] == [True, True]
    assert problems[0]["remedy"] != problems[1]["remedy"]
    assert world.rows("jobs", client.id) == world.rows("holds", client.id) == 0
    assert world.staged(client.id) == []


def test_what_is_just_small_enough_is_taken(client: Client) -> None:
    for picture in (png(1, 1000), png(4095, 5), of_frames(MAX_FRAMES)):
        asked = {"operation": "upscale", "parameters": '{"format": "webp"}'}
        assert client.post_job(picture, fields=asked).status_code == 202


def test_a_file_put_to_a_link_has_no_more_bytes_than_one_that_is_sent(
    world: World, client: Client
) -> None:
    small = world.settings.model_copy(update={"max_image_bytes": 100})
    bodies = [
        {"upload_id": client.upload(png() + bytes(100)), "preset": "identity"},
        {
            "upload_id": client.upload(png()),
            "mask_upload_id": client.upload(png(mode="L") + bytes(101)),
            "preset": "inpaint",
        },
    ]
    with (
        serving(small) as served,
        httpx.Client(base_url=served.url, headers=client.http.headers) as http,
    ):
        answers = [
            http.post("/v1/jobs", json=body, headers={"Idempotency-Key": "k"}) for body in bodies
        ]

    details = [str(assert_problem(each, 413, "file_too_large")["detail"]) for each in answers]
    assert [detail.split()[1] for detail in details] == ["picture", "mask"]
    assert all(detail.endswith("100 are taken") for detail in details)
    assert world.rows("jobs", client.id) == 0
