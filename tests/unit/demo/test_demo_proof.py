"""The proof of the demonstration can fail: each thing that may be wrong is found and named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.demonstration.proof import Charge, Evidence, Expected, JobFact, Proof, prove
from schemas.errors import ErrorCode
from schemas.ids import JobId
from schemas.states import JobState

CAT, DOG, LIST = (JobId(f"job_{letter * 32}") for letter in "abc")
AT = datetime(2026, 5, 1, tzinfo=UTC)

EXPECTED: Mapping[JobId, Expected] = {
    CAT: Expected("cat.jpg", JobState.SUCCEEDED),
    DOG: Expected("dog.jpg", JobState.SUCCEEDED),
    LIST: Expected("list.jpg", JobState.REJECTED),
}
SOUND = Evidence(
    jobs=(
        JobFact(CAT, "in/acc_1/p/cat.jpg", JobState.SUCCEEDED, 2000),
        JobFact(DOG, "in/acc_1/p/dog.jpg", JobState.SUCCEEDED, 1000),
        JobFact(LIST, "in/acc_1/p/list.jpg", JobState.REJECTED, None, ErrorCode.UNREADABLE_IMAGE),
    ),
    charges=(Charge(CAT, 2000, AT), Charge(DOG, 1000, AT)),
    topped_up=10_000,
    available=7_000,
    held=0,
    open_holds=frozenset(),
    ledger_sum=0,
    findings=(),
)


def of(evidence: Evidence) -> Proof:
    return prove(evidence, EXPECTED)


def test_sound_books_prove_themselves() -> None:
    proof = of(SOUND)

    assert proof.holds
    assert proof.faults == ()
    assert proof.jobs == {JobState.REJECTED: 1, JobState.SUCCEEDED: 2}
    assert proof.charged == 3000
    assert not proof.uncharged | proof.double_charged | proof.stray


def test_a_succeeded_job_without_a_charge_is_found() -> None:
    proof = of(replace(SOUND, charges=SOUND.charges[:1], available=8_000))

    assert proof.uncharged == {DOG}
    assert proof.faults == (f"{DOG} succeeded and was not charged",)


def test_a_job_charged_twice_is_found() -> None:
    twice = (*SOUND.charges, Charge(CAT, 2000, AT))

    proof = of(replace(SOUND, charges=twice, available=5_000))

    assert proof.double_charged == {CAT}
    assert proof.faults == (f"{CAT} was charged 2 times",)
    assert proof.charged == 5000


def test_a_charge_for_a_rejected_job_is_found() -> None:
    proof = of(replace(SOUND, charges=(*SOUND.charges, Charge(LIST, 5, AT)), available=6_995))

    assert proof.stray == {LIST}
    assert proof.faults == (f"{LIST} was charged and did not succeed",)


def test_a_rejected_job_charged_twice_is_no_double_charge_of_a_success() -> None:
    twice = (*SOUND.charges, Charge(LIST, 5, AT), Charge(LIST, 5, AT))

    proof = of(replace(SOUND, charges=twice, available=6_990))

    assert proof.double_charged == frozenset()
    assert proof.stray == {LIST}
    assert f"{LIST} was charged 2 times" in proof.faults


def test_a_charge_of_another_amount_than_the_price_is_found() -> None:
    wrong = (Charge(CAT, 2001, AT), SOUND.charges[1])

    proof = of(replace(SOUND, charges=wrong, available=6_999))

    assert proof.faults == (f"{CAT} was charged 2001; its price is 2000",)


def test_a_free_job_needs_no_charge() -> None:
    free = (replace(SOUND.jobs[0], price=0), *SOUND.jobs[1:])

    proof = of(replace(SOUND, jobs=free, charges=SOUND.charges[1:], available=9_000))

    assert proof.holds


def test_an_upload_that_no_job_came_of_is_named() -> None:
    proof = of(replace(SOUND, jobs=SOUND.jobs[1:], charges=SOUND.charges[1:], available=9_000))

    assert proof.faults == ("cat.jpg: no job came of the upload",)


def test_a_job_that_ended_otherwise_is_named_with_its_code() -> None:
    failed = replace(SOUND.jobs[0], state=JobState.FAILED, code=ErrorCode.PROCESSING_FAILED)

    proof = of(
        replace(
            SOUND,
            jobs=(failed, *SOUND.jobs[1:]),
            charges=SOUND.charges[1:],
            available=9_000,
        )
    )

    assert proof.faults == (f"cat.jpg: failed (processing_failed) instead of succeeded, {CAT}",)


def test_a_job_under_way_is_named_once_though_it_rightly_holds_money() -> None:
    running = replace(SOUND.jobs[0], state=JobState.RUNNING)
    under_way = replace(
        SOUND,
        jobs=(running, *SOUND.jobs[1:]),
        charges=SOUND.charges[1:],
        available=7_000,
        held=2_000,
        open_holds=frozenset({CAT}),
    )

    assert of(under_way).faults == (
        f"cat.jpg: running instead of succeeded, {CAT}",
        "2000 are still held",
    )


def test_an_impostor_that_succeeds_is_named() -> None:
    accepted = replace(SOUND.jobs[2], state=JobState.SUCCEEDED, price=2000, code=None)

    proof = of(replace(SOUND, jobs=(*SOUND.jobs[:2], accepted)))

    assert f"list.jpg: succeeded instead of rejected, {LIST}" in proof.faults
    assert proof.uncharged == {LIST}


def test_a_job_that_came_of_no_upload_is_named() -> None:
    other = JobId("job_" + "d" * 32)
    job = JobFact(other, "in/acc_1/p/other.jpg", JobState.CANCELLED, None)

    proof = of(replace(SOUND, jobs=(*SOUND.jobs, job)))

    assert proof.faults == (f"{other} came of no upload: in/acc_1/p/other.jpg",)


@pytest.mark.parametrize(
    ("evidence", "fault"),
    [
        (replace(SOUND, open_holds=frozenset({DOG})), f"{DOG} has ended and still holds money"),
        (replace(SOUND, held=1000, available=6_000), "1000 are still held"),
        (
            replace(SOUND, available=6_999),
            "6999 are available and 0 held; top-ups less charges are 7000",
        ),
        (replace(SOUND, ledger_sum=-3), "the entries of the ledger sum to -3, not to 0"),
        (replace(SOUND, findings=("held_drift x",)), "ledger check: held_drift x"),
    ],
)
def test_a_ledger_that_does_not_balance_is_no_proof(evidence: Evidence, fault: str) -> None:
    proof = of(evidence)

    assert not proof.holds
    assert proof.faults == (fault,)


@given(st.lists(st.sampled_from([CAT, DOG, LIST]), max_size=8))
def test_only_one_charge_for_each_success_is_a_proof(charged: list[JobId]) -> None:
    prices = {CAT: 2000, DOG: 1000, LIST: 500}
    charges = tuple(Charge(job, prices[job], AT) for job in charged)
    left = SOUND.topped_up - sum(charge.amount for charge in charges)

    proof = of(replace(SOUND, charges=charges, available=left))

    assert proof.holds == (sorted(charged) == [CAT, DOG])
