"""Processes killed in mid-flight: after their restart every upload is restored and charged once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from infra.stack import Running
from tests.e2e.customer import Customer, customer_of, picture, wait_until

JOBS = 200


@pytest.fixture
def customer(system: Running) -> Iterator[Customer]:
    with customer_of(system) as customer:
        yield customer


def states(customer: Customer) -> list[str]:
    return [state for state, _ in customer.jobs().values()]


@pytest.mark.parametrize("victim", ["streams", "worker"])
def test_a_process_killed_in_mid_flight_loses_and_doubles_nothing(
    customer: Customer, victim: str
) -> None:
    body = picture()
    with ThreadPoolExecutor(16) as threads:
        uploads = list(
            threads.map(
                lambda n: customer.upload("identity", f"{n}.png", body + b"%d" % n), range(JOBS)
            )
        )
        wait_until(
            lambda: 5 <= states(customer).count("succeeded") < JOBS - 40,
            within_s=60,
            what="some done, many not",
        )
        killed = customer.system.process(victim)
        before = killed.pid
        killed.kill()
    customer.wait_ended(uploads, within_s=120)
    assert killed.pid != before
    assert set(states(customer)) == {"succeeded"}
    assert len(customer.outputs()) == JOBS
    customer.assert_charged_exactly_once(uploads, each=1)
