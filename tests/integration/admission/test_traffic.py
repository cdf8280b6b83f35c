"""Labelled traffic through real facts and the real judge: who is found, how soon, and who never."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import psycopg
import pytest

from domain.admission.rules.ladder import Mode
from tests.traffic.play import play

if TYPE_CHECKING:
    from infra.stack.isolation import Database


def test_x(database: Database) -> None:
    import time

    from tests.traffic.honest import HONEST
    from tests.traffic.misused_api import MISUSED_API
    from tests.traffic.misused_jobs import MISUSED_JOBS

    t = time.time()
    scenarios = [p.play(0) for p in (*HONEST, *MISUSED_JOBS, *MISUSED_API)]
    print(len(scenarios), sum(len(s.acts) for s in scenarios), time.time() - t)
    with psycopg.connect(database.app_url, autocommit=True) as conn:
        outcomes = play(conn, scenarios)
    print(time.time() - t)
    for o in outcomes:
        print(
            o.scenario.name,
            o.scenario.abuse and o.scenario.abuse.rule,
            o.delay,
            [(f.rule, str(f.mode), f.step, f.subject.kind.value) for f in o.found],
        )
