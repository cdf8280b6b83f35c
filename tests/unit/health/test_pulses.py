from infra.health import Health, PartHealth
from infra.pulse import Pulse


class Hands:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_part_lives_from_its_beginning_for_as_long_as_it_may_be_silent() -> None:
    clock = Hands()
    pulse = Pulse("relay", within_s=20.0, clock=clock)
    clock.now += 20.0
    assert pulse.alive()
    clock.now += 0.1
    assert not pulse.alive()


def test_a_beat_begins_the_silence_anew() -> None:
    clock = Hands()
    pulse = Pulse("relay", within_s=20.0, clock=clock)
    clock.now += 30.0
    pulse.beat()
    clock.now += 5.0
    assert pulse.silent_s() == 5.0
    assert pulse.alive()


def test_standing_by_is_told_until_the_next_turn_of_its_own() -> None:
    pulse = Pulse("relay", within_s=20.0)
    pulse.beat(stands_by=True)
    assert pulse.stands_by
    pulse.beat()
    assert not pulse.stands_by


def test_a_process_is_well_while_each_of_its_parts_is() -> None:
    well = PartHealth(name="relay", silent_s=1.0, within_s=20.0)
    silent = PartHealth(name="sweeper", silent_s=20.5, within_s=20.0)
    assert Health(pid=1, ready=True, parts=(well,)).ok
    sick = Health(pid=1, ready=True, parts=(well, silent))
    assert not sick.ok
    assert [part.name for part in sick.silent] == ["sweeper"]
