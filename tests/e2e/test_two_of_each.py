"""Several processes of a kind on one system: they share the work, and one takes over."""

from pathlib import Path

import pytest

from infra.stack import Running
from tests.e2e.beside import each_of
from tests.e2e.customer import customer_of, picture

JOBS = 100


@pytest.mark.parametrize("killed", ["streams", "worker"])
def test_the_other_one_takes_over_when_one_of_two_is_killed(
    system: Running, tmp_path: Path, killed: str
) -> None:
    victim = system.process(killed)
    with (
        customer_of(system) as customer,
        each_of(system, [(name, tmp_path) for name in ("streams", "processors.worker")]) as others,
    ):
        sources = [customer.upload("identity", f"{n}.png", picture(seed=n)) for n in range(JOBS)]
        # Held down: what is left must be done by the second process alone.
        victim.kill(hold=True)
        try:
            customer.wait_ended(sources, within_s=120)
        finally:
            victim.start()
            victim.wait_ready()
        assert set(customer.jobs().values()) == {("succeeded", None)}
        customer.assert_charged_exactly_once(sources, each=1)
        assert [other.poll() for other in others] == [None, None]
    assert [other.returncode for other in others] == [0, 0]
