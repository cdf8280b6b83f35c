"""Every scenario there is, by what its label says."""

from __future__ import annotations

from collections.abc import Iterable

from tests.traffic.honest import HONEST
from tests.traffic.misused_api import MISUSED_API
from tests.traffic.misused_jobs import MISUSED_JOBS
from tests.traffic.scenario import Scenario

PARTS = (*HONEST, *MISUSED_JOBS, *MISUSED_API)


def scenarios(seeds: Iterable[int]) -> list[Scenario]:
    """Return every scenario, once for each seed."""
    return [part.play(seed) for seed in seeds for part in PARTS]
