from infra.health import Health, PartHealth
from infra.kafka_lag import TopicProgress
from infra.stack.judgement import (
    LONGEST_GAP_S,
    Finding,
    Look,
    OutboxHead,
    ProcessJudge,
    Standing,
    StandstillJudge,
)


def health(*parts: PartHealth, ready: bool = True, full: tuple[str, ...] = ()) -> Health:
    return Health(pid=1, ready=ready, parts=parts, full=full)


def part(name: str, silent_s: float, *, stands_by: bool = False) -> PartHealth:
    return PartHealth(name=name, silent_s=silent_s, within_s=20.0, stands_by=stands_by)


def progress(committed: int, lag: int, topic: str = "usage") -> TopicProgress:
    return TopicProgress(group="g", topic=topic, committed=committed, lag=lag)


def judged(looks: dict[float, Look | None]) -> tuple[Finding, ...]:
    """Return what is found at the last of these looks."""
    judge = ProcessJudge(patience_s=15)
    found: tuple[Finding, ...] = ()
    for now, look in looks.items():
        found = judge.observe(now, look)
    return found


def stuck(findings: tuple[Finding, ...]) -> list[str]:
    return [f.subject for f in findings if f.standing is Standing.STUCK]


def every(seconds: float, look: Look, *, until: float) -> dict[float, Look | None]:
    return {n * seconds: look for n in range(int(until / seconds) + 1)}


def test_where_it_should_be_is_never_a_standstill() -> None:
    judge = StandstillJudge(patience_s=15)
    assert not any(judge.observe(float(now), None) for now in range(0, 100, 3))


def test_what_moves_does_not_stand_still_however_far_behind() -> None:
    judge = StandstillJudge(patience_s=15)
    assert not any(judge.observe(float(now), now) for now in range(0, 100, 3))
    assert judge.has_moved


def test_the_same_position_for_the_whole_patience_is_a_standstill() -> None:
    judge = StandstillJudge(patience_s=15)
    verdicts = [judge.observe(float(now), 7) for now in range(0, 19, 3)]
    assert verdicts == [False, False, False, False, False, True, True]


def test_time_in_a_pause_is_not_counted() -> None:
    judge = StandstillJudge(patience_s=15)
    for now in range(0, 13, 3):
        judge.observe(float(now), 7)
    judge.pause()
    assert not judge.observe(600.0, 7)
    assert judge.observe(603.0, 7)


def test_of_a_long_time_without_a_look_only_a_little_is_counted() -> None:
    judge = StandstillJudge(patience_s=LONGEST_GAP_S + 1)
    judge.observe(0.0, 7)
    assert not judge.observe(3600.0, 7)
    assert judge.observe(3601.0, 7)


def test_a_process_that_answers_and_has_nothing_to_do_is_well() -> None:
    look = Look(health(part("relay", 0.2)), (progress(5, 0),))
    found = judged(every(1, look, until=60))
    assert {f.standing for f in found} == {Standing.WELL}
    assert {f.subject for f in found} == {"health", "ready", "relay", "usage", "outbox"}


def test_a_frozen_process_is_found_by_its_silence() -> None:
    assert stuck(judged(every(1, Look(None), until=14))) == []
    assert stuck(judged(every(1, Look(None), until=15))) == ["health"]


def test_a_part_that_hangs_is_named_with_how_long_it_has_been_silent() -> None:
    look = Look(health(part("relay", 0.2), part("sweeper", 21.0)))
    found = judged(every(1, look, until=15))
    assert stuck(found) == ["sweeper"]
    assert "no turn for 21 s" in next(f.found for f in found if f.subject == "sweeper")


def test_a_process_that_is_never_ready_is_found() -> None:
    assert stuck(judged(every(1, Look(health(ready=False)), until=15))) == ["ready"]


def test_commits_that_stand_still_with_something_ahead_are_found() -> None:
    assert stuck(judged(every(1, Look(health(), (progress(7, 1),)), until=15))) == ["usage"]


def test_a_worker_whose_slots_are_taken_may_let_messages_wait() -> None:
    busy = Look(health(full=("work.upscale",)), (progress(7, 9, "work.upscale"),))
    assert stuck(judged(every(1, busy, until=60))) == []
    free = Look(health(), (progress(7, 9, "work.upscale"),))
    assert stuck(judged(every(1, free, until=15))) == ["work.upscale"]


def test_the_outbox_must_move_where_its_relay_works() -> None:
    head = OutboxHead(id=3, age_s=40.0)
    mine = Look(health(part("relay", 0.2)), outbox=head)
    found = judged(every(1, mine, until=15))
    assert stuck(found) == ["outbox"]
    assert "waited for 40.0 s" in next(f.found for f in found if f.subject == "outbox")
    another = Look(health(part("relay", 0.2, stands_by=True)), outbox=head)
    assert stuck(judged(every(1, another, until=60))) == []


def test_an_old_outbox_whose_head_moves_is_well() -> None:
    looks: dict[float, Look | None] = {
        float(now): Look(health(part("relay", 0.2)), outbox=OutboxHead(id=now, age_s=900.0))
        for now in range(60)
    }
    assert stuck(judged(looks)) == []


def test_time_in_which_a_server_is_away_counts_against_nobody() -> None:
    look = Look(health(part("relay", 40.0)), (progress(7, 1),))
    looks: dict[float, Look | None] = every(1, look, until=10)
    looks |= {float(now): None for now in range(11, 100)}
    looks |= {100.0: look, 104.0: look}
    assert stuck(judged(looks)) == []
    looks[105.0] = look
    assert stuck(judged(looks)) == ["relay", "usage"]


def test_what_is_uncertain_is_said_to_be() -> None:
    found = judged(every(1, Look(health(), (progress(7, 1),)), until=5))
    assert [f.standing for f in found if f.subject == "usage"] == [Standing.UNSURE]


def test_a_process_started_again_begins_anew() -> None:
    judge = ProcessJudge(patience_s=15)
    for now in range(15):
        judge.observe(float(now), Look(None))
    judge.forget()
    assert stuck(judge.observe(15.0, Look(None))) == []
    assert stuck(judge.observe(20.0, Look(None))) == []
