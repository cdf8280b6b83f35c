"""Leases are kept while work goes on, and lost only at the database's word."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import psycopg
import pytest

from infra.clock import SystemClock
from processors.worker.leases import STALLED_S, LeaseLostError, Leases
from schemas.ids import JobId
from tests.unit.domain.samples import JOB

OTHER = replace(JOB, id=JobId("job_" + "b3" * 16), attempt=1)


@dataclass
class Database:
    """Answers renewals: of what still runs, and whether it is asked to stop."""

    running: dict[JobId, bool] = field(default_factory=dict)
    away: bool = False
    asked: list[list[tuple[JobId, int]]] = field(default_factory=list)
    given_back: list[tuple[JobId, int]] = field(default_factory=list)

    def renew(self, attempts: list[tuple[JobId, int]]) -> Mapping[JobId, bool]:
        self.asked.append(attempts)
        if self.away:
            raise psycopg.OperationalError("the server is away")
        return {job: self.running[job] for job, _ in attempts if job in self.running}

    def hand_back(self, attempts: list[tuple[JobId, int]]) -> list[JobId]:
        if self.away:
            raise psycopg.OperationalError("the server is away")
        self.given_back += attempts
        return [job for job, _ in attempts]


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def leases(database: Database) -> Leases:
    return Leases(
        database.renew, SystemClock(), lease_s=15, renewal_s=5, hand_back=database.hand_back
    )


def test_all_leases_are_renewed_with_their_attempts_in_one_question(
    leases: Leases, database: Database
) -> None:
    database.running = {JOB.id: False, OTHER.id: False}
    first, second = leases.open(JOB), leases.open(OTHER)
    renewed = first.renewed_at

    leases.renew_all()

    assert database.asked == [[(JOB.id, 2), (OTHER.id, 1)]]
    assert not first.should_stop()
    assert not second.should_stop()
    assert first.renewed_at > renewed


def test_an_attempt_that_no_longer_runs_is_lost_and_the_others_are_not(
    leases: Leases, database: Database
) -> None:
    database.running = {OTHER.id: False}
    gone, kept = leases.open(JOB), leases.open(OTHER)

    leases.renew_all()

    assert (gone.lost, gone.should_stop()) == (True, True)
    assert not kept.should_stop()
    with pytest.raises(LeaseLostError):
        leases.confirm(gone)
    leases.confirm(kept)


def test_an_asked_cancellation_stops_the_work_without_losing_the_lease(
    leases: Leases, database: Database
) -> None:
    database.running = {JOB.id: True}
    lease = leases.open(JOB)
    leases.renew_all()
    database.running = {JOB.id: False}
    leases.renew_all()

    assert (lease.cancel, lease.lost, lease.should_stop()) == (True, False, True)
    leases.confirm(lease)


def test_an_error_is_not_a_refusal(leases: Leases, database: Database) -> None:
    database.away = True
    lease = leases.open(JOB)
    renewed = lease.renewed_at

    leases.renew_all()

    assert not lease.should_stop()
    assert lease.renewed_at == renewed
    leases.confirm(lease)


def test_a_job_without_progress_is_not_renewed_until_it_moves_again(
    leases: Leases, database: Database
) -> None:
    database.running = {JOB.id: False}
    lease = leases.open(JOB)
    lease.progress_at -= STALLED_S + 1

    leases.renew_all()
    assert database.asked == []

    lease.progress()
    leases.renew_all()
    assert database.asked == [[(JOB.id, 2)]]


def test_a_closed_lease_is_not_renewed(leases: Leases, database: Database) -> None:
    leases.close(leases.open(JOB))

    leases.renew_all()

    assert database.asked == []


def test_the_end_of_an_old_attempt_leaves_the_new_ones_lease_alone(
    leases: Leases, database: Database
) -> None:
    old = leases.open(JOB)
    leases.open(replace(JOB, attempt=3))
    leases.close(old)

    leases.renew_all()

    assert database.asked == [[(JOB.id, 3)]]


def test_an_attempt_whose_job_is_claimed_here_again_is_told_to_stop(
    leases: Leases, database: Database
) -> None:
    old = leases.open(JOB)
    new = leases.open(replace(JOB, attempt=3))
    database.running = {JOB.id: False}

    leases.renew_all()

    assert (old.should_stop(), new.should_stop()) == (True, False)
    assert database.asked == [[(JOB.id, 3)]]
    with pytest.raises(LeaseLostError):
        leases.confirm(old)


def test_an_attempt_that_hangs_is_told_of_though_its_job_is_claimed_here_again(
    leases: Leases,
) -> None:
    old = leases.open(JOB)
    old.progress_at -= STALLED_S
    leases.close(leases.open(replace(JOB, attempt=3)))

    assert leases.stalled()
    leases.close(old)
    assert not leases.stalled()


def test_a_fresh_lease_is_believed_and_one_that_may_be_old_news_is_asked_for(
    leases: Leases, database: Database
) -> None:
    lease = leases.open(JOB)
    leases.confirm(lease)
    assert database.asked == []

    lease.renewed_at -= 11
    with pytest.raises(LeaseLostError):
        leases.confirm(lease)
    assert database.asked == [[(JOB.id, 2)]]


def test_a_defect_in_renewing_is_not_taken_for_a_server_that_is_away() -> None:
    def broken(_: list[tuple[JobId, int]]) -> Mapping[JobId, bool]:
        raise psycopg.ProgrammingError("no such column")

    leases = Leases(broken, SystemClock(), lease_s=15, renewal_s=5)
    leases.open(JOB)

    with pytest.raises(psycopg.ProgrammingError):
        leases.renew_all()


def test_a_job_that_holds_its_slot_without_progress_is_told_until_it_ends(leases: Leases) -> None:
    lease = leases.open(JOB)
    assert not leases.stalled()
    lease.progress_at -= STALLED_S
    assert leases.stalled()
    leases.close(lease)
    assert not leases.stalled()


def test_what_is_given_back_stops_here_and_is_renewed_no_more(
    leases: Leases, database: Database
) -> None:
    given, kept = leases.open(JOB), leases.open(OTHER)
    database.running = {JOB.id: False, OTHER.id: False}

    leases.hand_back(given)
    leases.renew_all()

    assert database.given_back == [(JOB.id, 2)]
    assert database.asked == [[(OTHER.id, 1)]]
    assert given.should_stop()
    assert not kept.should_stop()


def test_what_hangs_is_not_given_back_with_the_rest_for_it_may_be_what_hangs_workers(
    leases: Leases, database: Database
) -> None:
    leases.open(JOB).progress_at -= STALLED_S
    leases.open(OTHER)

    leases.hand_back_all()

    assert database.given_back == [(OTHER.id, 1)]


def test_what_cannot_be_given_back_stops_all_the_same(leases: Leases, database: Database) -> None:
    database.away = True
    lease = leases.open(JOB)

    leases.hand_back_all()

    assert lease.should_stop()


def test_work_that_told_how_long_it_may_be_silent_is_kept_for_so_long(
    leases: Leases, database: Database
) -> None:
    lease = leases.open(JOB)
    database.running = {JOB.id: False}

    lease.progress(60)
    lease.progress_at -= STALLED_S + 59
    leases.renew_all()
    lease.progress_at -= 2
    leases.renew_all()

    assert len(database.asked) == 1
    assert leases.stalled()
