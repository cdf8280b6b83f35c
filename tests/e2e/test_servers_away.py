"""A server away for a while, in mid-flight: everything waits, goes on by itself, charged once."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from infra.stack import Running
from infra.stored_objects import StoreError
from tests.e2e.customer import Customer, customer_of, picture, wait_until

JOBS = 100
AWAY_S = 4.0


@pytest.fixture
def customer(system: Running) -> Iterator[Customer]:
    with customer_of(system) as customer:
        yield customer


@pytest.mark.parametrize("server", ["postgres", "kafka", "store"])
def test_a_server_away_in_mid_flight_loses_and_doubles_nothing(
    customer: Customer, server: str
) -> None:
    body = picture()
    processes = {name: customer.system.process(name).pid for name in ("streams", "worker")}

    def upload(number: int) -> str:
        deadline = time.monotonic() + 60
        while True:
            try:
                return customer.upload("identity", f"{server}/{number}.png", body + b"%d" % number)
            except StoreError:
                assert time.monotonic() < deadline, "the store stays away"
                threading.Event().wait(0.2)

    with ThreadPoolExecutor(8) as threads:
        uploads = [threads.submit(upload, number) for number in range(JOBS)]
        wait_until(lambda: bool(customer.jobs()), within_s=30, what="a first job")
        victim = customer.system.server(server)
        victim.stop()
        # It is the time away that is tested: long enough for every client to notice.
        threading.Event().wait(AWAY_S)
        victim.start()
        sources = [upload.result() for upload in uploads]
    customer.reconnect()
    customer.wait_ended(sources, within_s=120)
    assert set(customer.jobs().values()) == {("succeeded", None)}
    customer.assert_charged_exactly_once(sources, each=1)
    assert processes == {name: customer.system.process(name).pid for name in processes}
