"""When the reconciler lists: at its interval, and often after a start or an outage."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from streams.reconciler import PassSchedule

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def passes(schedule: PassSchedule, answers: list[bool]) -> list[int]:
    """Return the seconds at which passes are taken, asked once a second."""
    taken = []
    for second, answer in enumerate(answers):
        now = START + timedelta(seconds=second)
        if schedule.is_due(now, broker_answers=answer):
            schedule.passed(now)
            taken.append(second)
    return taken


def test_a_minute_after_the_start_passes_come_at_every_interval() -> None:
    assert passes(PassSchedule(timedelta(seconds=60)), [True] * 200) == [
        *(0, 10, 20, 30, 40, 50, 60),
        *(120, 180),
    ]


def test_no_pass_is_due_while_the_broker_is_away() -> None:
    assert passes(PassSchedule(timedelta(seconds=60)), [True] + [False] * 199) == [0]


def test_a_broker_that_is_away_at_start_delays_the_first_pass_until_it_answers() -> None:
    assert passes(PassSchedule(timedelta(seconds=60)), [False] * 5 + [True] * 3) == [5]


def test_after_an_outage_passes_come_every_ten_seconds_for_a_minute() -> None:
    answers = [True] * 30 + [False] * 10 + [True] * 200
    assert passes(PassSchedule(timedelta(seconds=60)), answers) == [
        *(0, 10, 20),
        *(40, 50, 60, 70, 80, 90, 100),
        *(160, 220),
    ]


def test_a_second_outage_begins_the_minute_anew() -> None:
    answers = [True] * 10 + [False] * 10 + [True] * 35 + [False] * 5 + [True] * 130
    assert passes(PassSchedule(timedelta(seconds=60)), answers) == [
        *(0, 20, 30, 40, 50),
        *(60, 70, 80, 90, 100, 110, 120),
        180,
    ]


def test_an_interval_shorter_than_ten_seconds_stays_after_an_outage() -> None:
    answers = [True] * 2 + [False] * 2 + [True] * 8
    assert passes(PassSchedule(timedelta(seconds=3)), answers) == [0, 4, 7, 10]


def test_a_due_pass_that_was_not_taken_stays_due() -> None:
    schedule = PassSchedule(timedelta(seconds=60))
    assert schedule.is_due(START, broker_answers=True)
    assert schedule.is_due(START + timedelta(seconds=1), broker_answers=True)


def test_a_pass_after_an_outage_that_was_not_taken_stays_due() -> None:
    schedule = PassSchedule(timedelta(seconds=60))
    schedule.passed(START)
    answers = [
        schedule.is_due(START + timedelta(seconds=s), broker_answers=s > 2) for s in range(12)
    ]
    assert [second for second, due in enumerate(answers) if due] == list(range(3, 12))
