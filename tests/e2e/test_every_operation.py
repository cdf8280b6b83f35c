"""Every operation through the whole system, each given a picture of another format."""

import io
import json
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from PIL import Image
from skimage import data

from infra.stack import Running
from tests.e2e.customer import Customer, customer_of, opened

WIDTH, HEIGHT = 48, 40

ASKED = [
    # preset, the upload's format, what its result is
    ("upscale-photo-light-x2", "AVIF", ("PNG", (96, 80)), 2000),
    ("upscale-anime-light-x2", "WEBP", ("PNG", (96, 80)), 2000),
    ("upscale-fast-x2", "GIF", ("PNG", (96, 80)), 2000),
    ("upscale-photo-x2", "JPEG", ("JPEG", (96, 80)), 2000),
    ("upscale-photo-x8", "PNG", ("PNG", (384, 320)), 2000),
    ("restore", "TIFF", ("PNG", (48, 40)), 1000),
    ("restore-anime", "BMP", ("PNG", (48, 40)), 1000),
    ("scratches", "JPEG", ("JPEG", (48, 40)), 1000),
    ("tone", "WEBP", ("PNG", (48, 40)), 300),
    ("old-photo", "JPEG", ("JPEG", (48, 40)), 3000),
    ("document", "PNG", ("PNG", (48, 40)), 3000),
    ("product", "JPEG", ("JPEG", (96, 80)), 3000),
    ("anime", "PNG", ("PNG", (96, 80)), 3000),
]


@pytest.fixture
def customer(system: Running) -> Iterator[Customer]:
    with customer_of(system) as customer:
        yield customer


def photograph(form: str) -> bytes:
    """Return a part of a photograph, faded and noisy, as a file of that format."""
    part = data.coffee()[120 : 120 + HEIGHT, 200 : 200 + WIDTH]
    noise = np.random.default_rng(1).normal(0, 9, part.shape)
    pixels = np.clip(80 + part * 0.4 + noise, 0, 255).astype(np.uint8)
    body = io.BytesIO()
    Image.fromarray(pixels).save(body, form)
    return body.getvalue()


def test_every_preset_restores_what_is_put_into_the_store(customer: Customer) -> None:
    sent = {
        customer.upload(preset, f"a.{form.lower()}", photograph(form)): (expected, price)
        for preset, form, expected, price in ASKED
    }

    customer.wait_ended(sent, within_s=120)

    assert set(customer.jobs().values()) == {("succeeded", None)}
    for key, (expected, price) in sent.items():
        result = opened(customer.output_of(key))
        assert (result.format, result.size) == expected
        customer.assert_charged_exactly_once([key], each=price)


@pytest.mark.parametrize("preset", ["faces", "colourise"])
def test_what_needs_an_operators_model_fails_free_of_charge_and_says_which(
    customer: Customer, preset: str
) -> None:
    key = customer.upload(preset, "a.png", photograph("PNG"))

    customer.wait_ended([key])

    assert customer.jobs() == {key: ("failed", "model_unavailable")}
    assert customer.balance().available == 10_000_000
    detail = customer.conn.execute(
        "SELECT detail FROM jobs WHERE account_id = %s", (customer.id,)
    ).fetchone()
    assert detail is not None
    assert "sha256" in detail[0]


def test_shapes_are_filled_and_the_file_is_as_was_asked_for(customer: Customer) -> None:
    parameters = {
        "mask": "shapes",
        "shapes": [{"shape": "rectangle", "left": 10, "top": 8, "width": 6, "height": 5}],
        "format": "avif",
        "quality": 90,
    }
    headers = {
        "Authorization": f"Bearer {customer.enrolled.api_key}",
        "Idempotency-Key": "one",
        "Prefer": "wait=60",
    }
    with httpx.Client(base_url=customer.system.api_url, headers=headers, timeout=90) as api:
        job = api.post(
            "/v1/jobs",
            data={"operation": "inpaint", "parameters": json.dumps(parameters)},
            files={"image": ("a.png", photograph("PNG"), "image/png")},
        ).json()
        result = httpx.get(job["result"]["url"])

    assert job["state"] == "succeeded"
    assert job["result"]["media_type"] == "image/avif"
    assert (opened(result.content).format, opened(result.content).size) == ("AVIF", (48, 40))
