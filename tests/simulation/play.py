"""One run from one seed: trouble, then calm, then the question whether all is well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.simulation.clients import Clients, enrol
from tests.simulation.fate import Trouble
from tests.simulation.invariants import violations
from tests.simulation.scheduler import Simulation, SimulationStuckError
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections import Counter

    from tests.simulation.ports import Connections

DAY_S: Final = 86_400.0
_SETTLES_S: Final = 3600.0
_AFTER_CLOCKS_JUMPED_S: Final = 3 * 3600.0
_LOOKS_AROUND_S: Final = 150.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to. `digest` is the same whenever the seed is."""

    seed: int
    findings: tuple[str, ...]
    faults: Counter[str]
    jobs: Counter[str]
    turns: int
    digest: str
    trace: tuple[str, ...]


def play(seed: int, connections: Connections, *, measure: float = 1.0) -> Outcome:
    """Play a seed on an empty, migrated database, with trouble in that measure."""
    simulation = Simulation(seed)
    world = World(simulation, connections)
    try:
        clients = Clients(world)
        trouble = Trouble(world, clients, measure)
        findings = _lives(simulation, world, clients, trouble)
        findings += simulation.findings
        if not findings:
            findings += violations(world, clients)
        with world.transaction() as conn:
            jobs = conn.execute("SELECT state, count(*) FROM jobs GROUP BY 1").fetchall()
    finally:
        simulation.close()
    return Outcome(
        seed,
        tuple(findings),
        simulation.faults,
        type(simulation.faults)(dict(jobs)),
        simulation.turns,
        simulation.digest,
        tuple(simulation.trace),
    )


def _lives(simulation: Simulation, world: World, clients: Clients, trouble: Trouble) -> list[str]:
    random = simulation.random
    enrol(world)
    for kind in ("streams", "worker"):
        for number in range(random.randint(1, 2)):
            world.start(f"{kind}-{number + 1}")
    clients.begin()
    trouble.begin()
    try:
        simulation.run(lambda: trouble.over and not clients.busy, within_s=_SETTLES_S)
        world.calm_down()
        trouble.end()
        settles_s = _AFTER_CLOCKS_JUMPED_S if simulation.faults["clock jumps"] else _SETTLES_S
        # Long enough for a pass of the reconciler each time; the second time, lone pictures
        # have waited a day for their masks.
        for later_s in (0.0, DAY_S):
            simulation.skip(later_s)
            simulation.run(lambda: False, within_s=_LOOKS_AROUND_S)
            settled = simulation.run(
                lambda: bool(simulation.findings) or world.is_settled(), within_s=settles_s
            )
            if not settled:
                return [f"does not settle: {what}" for what in world.what_is_left()]
    except SimulationStuckError as error:
        return [f"hangs: {error}", *world.what_is_left()]
    return []
