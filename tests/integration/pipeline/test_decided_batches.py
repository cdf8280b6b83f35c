"""Admission decides each candidate once, in the order of the batch."""

from dataclasses import replace
from datetime import timedelta, timezone

from domain.billing import service as billing
from domain.billing.model import Balance
from domain.jobs import store
from domain.jobs.model import StoredObject
from domain.pipeline.decide import Admitted, Decision, HeldForReview, Known, Rejected, decide_batch
from domain.pipeline.resolve import Candidate, SourceProblem
from schemas.errors import ErrorCode
from schemas.operations import UpscaleParameters
from schemas.states import Actor, JobState
from tests.integration.pipeline.pipeline_world import WEEK, World


def shown(decision: Decision) -> str:
    match decision:
        case Admitted(job):
            return job.state
        case Rejected(_, code, _):
            return code
        case HeldForReview():
            return "review"
        case Known():
            return "known"


def outcomes(world: World, candidates: list[Candidate]) -> list[str]:
    decisions = world.decide(*candidates)
    return [shown(decisions[candidate.job_id]) for candidate in candidates]


def test_a_thousand_mixed_candidates_each_get_their_own_answer_in_one_batch(world: World) -> None:
    rich, poor, barred = world.account(), world.account(funds=60), world.account()
    world.suspend(barred)
    unreadable = SourceProblem(ErrorCode.UNREADABLE_IMAGE, "no picture")
    batch: list[Candidate] = []
    expected: list[str] = []
    for turn in range(100):
        kinds = (
            (world.candidate(rich), "queued"),
            (world.candidate(rich, "upscale-fast-x4"), "queued"),
            (world.candidate(rich), "queued"),
            (world.candidate(poor), "queued" if turn < 60 else "insufficient_balance"),
            (world.candidate(barred), "account_suspended"),
            (world.candidate("nobody"), "account_unknown"),
            (world.candidate(rich, "none"), "preset_unknown"),
            (replace(world.candidate(rich), source_bytes=0), "empty_object"),
            (replace(world.candidate(rich), facts=unreadable), "unreadable_image"),
            (world.candidate(rich, "inpaint"), "mask_missing"),
        )
        batch += [candidate for candidate, _ in kinds]
        expected += [outcome for _, outcome in kinds]

    assert outcomes(world, batch) == expected

    assert billing.balance(world.conn, rich) == Balance(799_800, 200_200, "CNY")
    assert billing.balance(world.conn, poor) == Balance(0, 60, "CNY")
    assert world.usage() == []
    assert len(world.told()) == 1000
    assert {event.by for event in world.told()} == {Actor.DECIDE}
    assert [event.job_id for event in world.told()] == [each.job_id for each in batch]


def test_a_rejected_job_has_its_row_its_reason_and_no_hold(world: World) -> None:
    account = world.account(funds=0)
    candidate = world.candidate(account)

    decision = world.decide(candidate)[candidate.job_id]

    assert isinstance(decision, Rejected)
    assert decision.detail == "1 CNY minor units are needed, 0 available"
    job = world.job(candidate.job_id)
    assert (job.state, job.code, job.detail) == (
        JobState.REJECTED,
        ErrorCode.INSUFFICIENT_BALANCE,
        decision.detail,
    )
    assert (job.ended_at, job.amount) == (world.clock.now(), 1)
    (event,) = world.told()
    assert (event.state, event.code, event.version) == ("rejected", "insufficient_balance", 1)
    assert world.open_holds() == frozenset()


def test_the_same_candidate_twice_in_a_batch_is_one_job_with_one_hold(world: World) -> None:
    account = world.account(funds=10)
    one, two = world.candidate(account), world.candidate(account)

    decisions = world.decide(one, two, one, two, one)

    assert [shown(each) for each in decisions.values()] == ["queued", "queued"]
    assert billing.balance(world.conn, account) == Balance(8, 2, "CNY")


def test_a_candidate_that_comes_again_changes_nothing_however_it_ended(world: World) -> None:
    account = world.account(funds=1)
    queued, unpaid = world.candidate(account), world.candidate(account)
    world.decide(queued, unpaid)
    billing.top_up(world.conn, account, 100, key="later", at=world.clock.now())
    before = [world.job(queued.job_id), world.job(unpaid.job_id)]
    new = world.candidate(account)

    assert outcomes(world, [unpaid, new, queued]) == ["known", "queued", "known"]
    world.bring(queued.job_id, JobState.SUCCEEDED)
    assert outcomes(world, [queued, unpaid]) == ["known", "known"]

    assert world.job(unpaid.job_id) == before[1]
    assert world.job(queued.job_id).seq == before[0].seq
    assert len(world.usage()) == 1


def test_earlier_jobs_of_an_account_get_the_money_and_a_cheaper_one_behind_may_still_fit(
    world: World,
) -> None:
    account = world.account(funds=4001)
    upscale = [world.candidate(account, "upscale-fast-x4") for _ in range(3)]
    cheap = world.candidate(account)
    late = world.candidate(account)

    assert outcomes(world, [*upscale, cheap, late]) == [
        "queued",
        "queued",
        "insufficient_balance",
        "queued",
        "insufficient_balance",
    ]


def test_an_account_that_pays_in_no_priced_currency_is_told_so(world: World) -> None:
    account = world.account()
    world.conn.execute("UPDATE accounts SET unit = 'EUR' WHERE id = %s", (account,))

    assert outcomes(world, [world.candidate(account)]) == ["price_missing"]


def test_what_was_resolved_is_pinned_to_the_job(world: World) -> None:
    account = world.account()
    (job_id,) = world.admit(account, preset="upscale-anime-x4")
    world.conn.execute(
        "INSERT INTO prices (operation, unit, amount, effective_from, announced_at)"
        " VALUES ('upscale', 'CNY', 9, %s, %s)",
        (world.clock.now(), world.clock.now()),
    )

    job = world.job(job_id)
    (later,) = world.admit(account, preset="upscale-anime-x4")

    assert (job.amount, job.unit, world.job(later).amount) == (2000, "CNY", 9)
    assert job.parameters == UpscaleParameters(model="anime", factor=4)
    assert (job.admitted_at, job.expires_at) == (world.clock.now(), world.clock.now() + WEEK)


def test_a_price_counts_from_its_date_on(world: World) -> None:
    account = world.account()
    tomorrow = world.clock.now() + timedelta(days=1)
    world.conn.execute(
        "INSERT INTO prices (operation, unit, amount, effective_from, announced_at)"
        " VALUES ('identity', 'CNY', 5, %s, %s)",
        (tomorrow, world.clock.now()),
    )
    (today,) = world.admit(account)
    world.clock.at = tomorrow
    (then,) = world.admit(account)

    assert (world.job(today).amount, world.job(then).amount) == (1, 5)


def test_keys_of_any_characters_and_header_facts_are_kept_as_they_came(world: World) -> None:
    account = world.account()
    candidate = world.candidate(account)
    odd = replace(
        candidate,
        source=replace(candidate.source, key=f"in/{account}/identity/照片 a+b %41'\"\\n{{}}.png"),
        expires_at=world.clock.now() + timedelta(hours=1),
    )
    world.decide(odd)

    job = world.job(odd.job_id)

    assert (job.source, job.header, job.expires_at) == (odd.source, odd.facts, odd.expires_at)


def test_nothing_remains_of_a_batch_that_is_rolled_back(world: World) -> None:
    account = world.account(funds=5)
    candidate = world.candidate(account)
    decide_batch(world.conn, [candidate], clock=world.clock, lifetime=WEEK)
    world.conn.rollback()

    assert store.get(world.conn, candidate.job_id) is None
    assert billing.balance(world.conn, account) == Balance(5, 0, "CNY")
    assert world.told() == []


def test_an_empty_batch_is_no_work(world: World) -> None:
    assert world.decide() == {}


def test_a_hold_names_the_price_that_made_it(world: World) -> None:
    (job_id,) = world.admit(world.account())

    (pinned,) = world.conn.execute(
        "SELECT price_id FROM holds WHERE job_id = %s", (job_id,)
    ).fetchall()
    assert pinned == ("identity/CNY/2026-01-01T00:00:00+00:00",)


def test_the_job_in_an_answer_is_the_one_in_its_row(world: World) -> None:
    account = world.account()
    plain = world.candidate(account)
    world.conn.execute(
        "INSERT INTO quota_overrides (account_id, operation, quota, value, starts_at, reason, by,"
        " at) VALUES (%s, 'upscale', 'jobs_per_day', 0, %s, 'test', 'ops', %s)",
        (account, world.clock.now(), world.clock.now()),
    )
    batch = [
        plain,
        replace(world.candidate(account, "inpaint"), mask=StoredObject("in/a.mask.png", "0f", "v")),
        replace(
            world.candidate(account),
            source=StoredObject('in/\u56fe "1".png', "0d", "v1"),
            requested_at=world.clock.now().astimezone(timezone(timedelta(hours=8))),
            expires_at=world.clock.now() + timedelta(hours=1, microseconds=1),
            retry_of=plain.job_id,
            priority=-7,
        ),
        replace(world.candidate(account), review=True),
        replace(world.candidate(account), facts=SourceProblem(ErrorCode.TRUNCATED_IMAGE, "short")),
        world.candidate(account, "upscale-photo-x4"),
        world.candidate("nobody"),
    ]

    decisions = world.decide(*batch).values()

    jobs = [decision.job for decision in decisions if not isinstance(decision, Known)]
    assert [type(decision) for decision in decisions] == [
        *[Admitted] * 3,
        HeldForReview,
        *[Rejected] * 3,
    ]
    assert jobs == [world.job(job.id) for job in jobs]
    assert jobs[5].limit is not None
