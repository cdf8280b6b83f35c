from infra.kafka_lag import TopicProgress
from infra.stack.liveness import StandstillJudge


def seen(committed: int, lag: int) -> TopicProgress:
    return TopicProgress(group="g", topic="t", committed=committed, lag=lag)


def test_no_lag_is_never_a_standstill() -> None:
    judge = StandstillJudge(patience_s=15)
    assert not any(judge.observe(float(now), seen(7, 0)) for now in range(0, 100, 3))


def test_commits_that_move_are_no_standstill_however_far_behind() -> None:
    judge = StandstillJudge(patience_s=15)
    assert not any(judge.observe(float(now), seen(now, 10_000)) for now in range(0, 100, 3))
    assert judge.has_moved


def test_the_same_commits_with_lag_for_the_whole_patience_are_a_standstill() -> None:
    judge = StandstillJudge(patience_s=15)
    verdicts = [judge.observe(float(now), seen(7, 1)) for now in range(0, 19, 3)]
    assert verdicts == [False, False, False, False, False, True, True]


def test_time_in_which_a_server_does_not_answer_is_not_counted() -> None:
    judge = StandstillJudge(patience_s=15)
    for now in range(0, 13, 3):
        judge.observe(float(now), seen(7, 1))
    for now in range(15, 600, 3):
        assert not judge.observe(float(now), None)
    assert not judge.observe(600.0, seen(7, 1))
    assert judge.observe(603.0, seen(7, 1))


def test_a_process_started_again_begins_anew() -> None:
    judge = StandstillJudge(patience_s=15)
    judge.observe(0.0, seen(7, 1))
    judge.observe(14.0, seen(7, 1))
    judge.forget()
    assert not judge.observe(20.0, seen(7, 1))
    assert not judge.observe(30.0, seen(7, 1))
