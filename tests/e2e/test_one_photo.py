"""One photo by each path: restored, charged once, the ledger sound."""

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote_plus

import httpx
import pytest

from infra.kafka import KafkaPythonProducer, Message
from infra.stack import Running, running
from infra.stored_objects import ObjectInfo
from schemas import topics
from tests.e2e.customer import Customer, customer_of, opened, picture, wait_until

FAST_PRICE = 2000


@pytest.fixture
def customer(system: Running) -> Iterator[Customer]:
    with customer_of(system) as customer:
        yield customer


def test_a_photo_put_into_the_store_is_restored_and_charged_once(customer: Customer) -> None:
    key = customer.upload("upscale-fast-x4", "album/猫 1+1%41.png", picture(40, 30))
    customer.wait_ended([key])
    assert customer.jobs()[key] == ("succeeded", None)
    assert opened(customer.output_of(key)).size == (160, 120)
    customer.assert_charged_exactly_once([key], each=FAST_PRICE)
    assert customer.balance().available == 10_000_000 - FAST_PRICE


def test_a_photo_sent_to_the_api_is_restored_and_charged_once(customer: Customer) -> None:
    headers = {
        "Authorization": f"Bearer {customer.enrolled.api_key}",
        "Idempotency-Key": "one",
        "Prefer": "wait=60",
    }
    with httpx.Client(base_url=customer.system.api_url, headers=headers, timeout=90) as api:
        answers = [
            api.post(
                "/v1/jobs",
                data={"preset": "upscale-fast-x4"},
                files={"image": ("a.jpg", picture(40, 30, form="JPEG"), "image/jpeg")},
            )
            for _ in range(2)
        ]
        assert [answer.status_code for answer in answers] == [200, 200], answers[0].text
        jobs = [answer.json() for answer in answers]
        assert jobs[0]["id"] == jobs[1]["id"]
        assert jobs[0]["state"] == "succeeded"
        result = httpx.get(jobs[0]["result"]["url"])
        wait_until(lambda: customer.holds("captured") == 1, within_s=20, what="charged")
        balance = api.get("/v1/balance").json()
    shown = opened(result.content)
    assert (shown.format, shown.size) == ("JPEG", (160, 120))
    assert balance["available"] == 10_000_000 - FAST_PRICE
    assert customer.balance().available == balance["available"]


@pytest.fixture(scope="module")
def deaf_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A system whose store announces nothing, and that lists nothing by itself."""
    with running(
        tmp_path_factory.mktemp("deaf"),
        notifications=False,
        durable=False,
        processes=("streams", "worker"),
        env={"PICMEND_RECONCILER_ENABLED": "false"},
    ) as system:
        yield system


def minio_event(bucket: str, info: ObjectInfo) -> bytes:
    """Return what MinIO announces of an object: see the recorded ones in tests/data."""
    return httpx.Response(
        200,
        json={
            "EventName": "s3:ObjectCreated:Put",
            "Key": f"{bucket}/{info.key}",
            "Records": [
                {
                    "eventVersion": "2.0",
                    "eventSource": "minio:s3",
                    "awsRegion": "",
                    "eventTime": "2026-11-22T20:00:43.671Z",
                    "eventName": "s3:ObjectCreated:Put",
                    "s3": {
                        "s3SchemaVersion": "1.0",
                        "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
                        "object": {
                            "key": quote_plus(info.key),
                            "size": info.size,
                            "eTag": info.etag,
                            "sequencer": "18B2C1A5A4B5D1F0",
                        },
                    },
                }
            ],
        },
    ).content


def test_a_photo_announced_as_minio_does_is_restored_and_charged_once(
    deaf_system: Running,
) -> None:
    with customer_of(deaf_system) as customer:
        key = customer.upload("upscale-fast-x4", "a b+c.png", picture(40, 30))
        info = customer.store.head(key)
        producer = KafkaPythonProducer(customer.settings.kafka_bootstrap, client_id="minio")
        bucket = customer.settings.bucket
        announced = Message(
            topics.OBJECT_EVENTS, f"{bucket}/{key}".encode(), minio_event(bucket, info)
        )
        assert customer.jobs() == {}
        producer.send_all([announced, announced])
        producer.close()
        customer.wait_ended([key])
        assert customer.jobs()[key] == ("succeeded", None)
        assert opened(customer.output_of(key)).size == (160, 120)
        customer.assert_charged_exactly_once([key], each=FAST_PRICE)


def test_an_upload_whose_event_was_lost_is_found_by_listing(tmp_path: Path) -> None:
    with (
        running(
            tmp_path,
            notifications=False,
            durable=False,
            processes=("streams", "worker"),
            env={"PICMEND_RECONCILER_INTERVAL_S": "1"},
        ) as system,
        customer_of(system) as customer,
    ):
        begun = time.monotonic()
        key = customer.upload("identity", "lost.png", picture())
        customer.wait_ended([key])
        assert time.monotonic() - begun >= 4, "young objects are left to their events"
        customer.assert_charged_exactly_once([key], each=1)
