"""What a candidate comes to: a price, or the first reason against it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.accounts.model import Account, AccountState
from domain.admission.quotas import Limits
from domain.admission.restrictions import FREE, Restricted
from domain.catalogue.model import Catalogue, Operation, Price, Pricing
from domain.jobs.model import Header, StoredObject
from domain.pipeline.resolve import (
    Candidate,
    ClockWindow,
    Priced,
    Refusal,
    SourceProblem,
    Terms,
    resolve,
)
from schemas.decisions import LimitReached, Quota
from schemas.errors import ErrorCode
from schemas.operations import (
    EnhanceParameters,
    IdentityParameters,
    ImageFormat,
    InpaintParameters,
    OperationName,
    Parameters,
    ToneParameters,
    UpscaleParameters,
)
from tests.unit.domain.samples import ACCOUNT, ACCOUNT_ID, CANDIDATE, catalogue, preset

OFFERED = catalogue()
ROOMY = replace(
    OFFERED,
    operations={
        name: Operation(name, 1 << 30, 1 << 30, 1 << 20, Pricing.JOB) for name in OperationName
    },
    prices={(name, "CNY"): Price(name, "CNY", 1, CANDIDATE.requested_at) for name in OperationName},
)
"""What an operator has allowed anything: what remains are the limits of what does the work."""
SUSPENDED = replace(ACCOUNT, state=AccountState.SUSPENDED)
MASK = StoredObject("in/acc_7k2q/inpaint/a.jpg.mask.png", "0f")


def picture(width: int, height: int, *, alpha: bool = False) -> Header:
    return Header(ImageFormat.PNG, width, height, has_alpha=alpha)


def picture_of(candidate: Candidate) -> Header:
    assert isinstance(candidate.facts, Header)
    return candidate.facts


def what_comes_of(
    candidate: Candidate,
    account: Account | None,
    offered: Catalogue,
    *,
    limits: Limits | None = None,
    restricted: Restricted = FREE,
) -> Priced | Refusal:
    return resolve(
        candidate,
        Terms(account, limits or {}, restricted),
        offered,
        at=CANDIDATE.requested_at,
        window=ClockWindow(behind=timedelta(days=2), ahead=timedelta(minutes=5)),
    )


def refused(candidate: Candidate, account: Account | None = ACCOUNT) -> ErrorCode:
    match what_comes_of(candidate, account, OFFERED):
        case Refusal(code, detail):
            assert detail
            return code
        case other:
            raise AssertionError(other)


def test_a_picture_within_the_limits_is_priced_by_its_started_megapixels() -> None:
    assert what_comes_of(CANDIDATE, ACCOUNT, OFFERED) == Priced(
        OperationName.UPSCALE, UpscaleParameters(), picture_of(CANDIDATE), 4000, "CNY"
    )


@pytest.mark.parametrize(
    ("candidate", "account", "code"),
    [
        (CANDIDATE, None, ErrorCode.ACCOUNT_UNKNOWN),
        (CANDIDATE, SUSPENDED, ErrorCode.ACCOUNT_SUSPENDED),
        (CANDIDATE, replace(ACCOUNT, state=AccountState.CLOSED), ErrorCode.ACCOUNT_SUSPENDED),
        (replace(CANDIDATE, preset="none"), ACCOUNT, ErrorCode.PRESET_UNKNOWN),
        (replace(CANDIDATE, preset=None), ACCOUNT, ErrorCode.PRESET_UNKNOWN),
        (replace(CANDIDATE, source_bytes=0), ACCOUNT, ErrorCode.EMPTY_OBJECT),
        (replace(CANDIDATE, source_bytes=5001), ACCOUNT, ErrorCode.FILE_TOO_LARGE),
        (replace(CANDIDATE, facts=picture(1000, 2001)), ACCOUNT, ErrorCode.IMAGE_TOO_LARGE),
        (replace(CANDIDATE, facts=picture(3001, 1)), ACCOUNT, ErrorCode.IMAGE_TOO_LARGE),
        (replace(CANDIDATE, facts=picture(1, 3001)), ACCOUNT, ErrorCode.IMAGE_TOO_LARGE),
        (replace(CANDIDATE, facts=picture(1, 1001)), ACCOUNT, ErrorCode.IMAGE_TOO_LARGE),
        (
            replace(CANDIDATE, facts=replace(picture(9, 9), frames=201)),
            ACCOUNT,
            ErrorCode.TOO_MANY_FRAMES,
        ),
        (replace(CANDIDATE, preset="inpaint"), ACCOUNT, ErrorCode.MASK_MISSING),
        (replace(CANDIDATE, preset="inpaint-alpha"), ACCOUNT, ErrorCode.ALPHA_MISSING),
        (CANDIDATE, replace(ACCOUNT, unit="EUR"), ErrorCode.PRICE_MISSING),
    ],
)
def test_each_reason_against_a_candidate_has_its_code(
    candidate: Candidate, account: Account | None, code: ErrorCode
) -> None:
    assert refused(candidate, account) is code


@pytest.mark.parametrize(
    "candidate",
    [
        replace(CANDIDATE, source_bytes=1),
        replace(CANDIDATE, source_bytes=5000),
        replace(CANDIDATE, facts=picture(1, 1)),
        replace(CANDIDATE, facts=picture(1000, 2000)),
        replace(CANDIDATE, facts=picture(3000, 666)),
        replace(CANDIDATE, facts=picture(666, 3000)),
        replace(CANDIDATE, facts=picture(1, 1000)),
        replace(CANDIDATE, facts=replace(picture(9, 9), frames=200)),
    ],
)
def test_what_is_just_within_a_limit_passes(candidate: Candidate) -> None:
    assert isinstance(what_comes_of(candidate, ACCOUNT, OFFERED), Priced)


@pytest.mark.parametrize(
    "code",
    [
        ErrorCode.UNREADABLE_IMAGE,
        ErrorCode.UNSUPPORTED_FORMAT,
        ErrorCode.TRUNCATED_IMAGE,
        ErrorCode.SOURCE_CHANGED,
        ErrorCode.SOURCE_UNREADABLE,
        ErrorCode.MALFORMED_KEY,
        ErrorCode.KEY_TOO_LONG,
    ],
)
def test_a_source_of_which_nothing_is_known_is_refused_with_its_own_reason(code: ErrorCode) -> None:
    candidate = replace(CANDIDATE, facts=SourceProblem(code, "as it was found"))

    found = what_comes_of(candidate, ACCOUNT, OFFERED)

    assert isinstance(found, Refusal)
    assert (found.code, found.detail) == (code, "as it was found")


def test_the_first_reason_wins_and_each_next_one_shows_when_it_is_mended() -> None:
    """One candidate with everything wrong, mended one thing at a time."""
    malformed = SourceProblem(ErrorCode.MALFORMED_KEY, "it has no path")
    unreadable = SourceProblem(ErrorCode.UNREADABLE_IMAGE, "no picture")
    wrong = replace(CANDIDATE, preset="none", source_bytes=0, facts=malformed)
    seen = [refused(wrong, None)]
    wrong = replace(wrong, facts=unreadable)
    seen += [refused(wrong, None), refused(wrong, SUSPENDED)]
    poor = replace(ACCOUNT, unit="EUR")
    seen.append(refused(wrong, poor))
    for mended in (
        {"preset": "inpaint"},
        {"source_bytes": 9999},
        {"source_bytes": 9},
        {"facts": picture(3001, 3001)},
        {"facts": picture(30, 30)},
        {"mask": MASK},
    ):
        wrong = replace(wrong, **mended)
        seen.append(refused(wrong, poor))

    assert seen == [
        ErrorCode.MALFORMED_KEY,
        ErrorCode.ACCOUNT_UNKNOWN,
        ErrorCode.ACCOUNT_SUSPENDED,
        ErrorCode.PRESET_UNKNOWN,
        ErrorCode.EMPTY_OBJECT,
        ErrorCode.FILE_TOO_LARGE,
        ErrorCode.UNREADABLE_IMAGE,
        ErrorCode.IMAGE_TOO_LARGE,
        ErrorCode.MASK_MISSING,
        ErrorCode.PRICE_MISSING,
    ]
    assert isinstance(what_comes_of(wrong, ACCOUNT, OFFERED), Priced)


def test_a_refusal_keeps_the_parameters_that_were_found() -> None:
    known = what_comes_of(replace(CANDIDATE, source_bytes=0), ACCOUNT, OFFERED)
    unknown = what_comes_of(replace(CANDIDATE, preset="none"), ACCOUNT, OFFERED)

    assert isinstance(known, Refusal)
    assert isinstance(unknown, Refusal)
    assert known.parameters == UpscaleParameters()
    assert unknown.parameters is None


ASKED_FOR_TOO_MUCH = [
    # parameters, the longest side that passes, what the detail of one pixel more says
    (UpscaleParameters(factor=8, format="webp"), 2047, "webp holds 16383 a side"),
    (UpscaleParameters(factor=8, format="avif"), 4096, "avif holds 32768 a side"),
    (UpscaleParameters(factor=8, format="jpeg"), 8187, "jpeg holds 65500 a side"),
    (EnhanceParameters(factor=8, format="webp"), 2047, "webp holds 16383 a side"),
    (ToneParameters(format="webp"), 16383, "webp holds 16383 a side"),
    (
        UpscaleParameters(factor=8, format="png"),
        20_000,
        "20001x20 is over 50000000 pixels or 20000",
    ),
]


@pytest.mark.parametrize(("parameters", "longest", "told"), ASKED_FOR_TOO_MUCH)
def test_a_result_that_its_format_cannot_hold_is_refused_before_it_is_worked_for(
    parameters: Parameters, longest: int, told: str
) -> None:
    asked = replace(CANDIDATE, preset=None, parameters=parameters)

    found = what_comes_of(replace(asked, facts=picture(20, longest + 1)), ACCOUNT, ROOMY)
    turned = what_comes_of(replace(asked, facts=picture(longest + 1, 20)), ACCOUNT, ROOMY)

    assert isinstance(
        what_comes_of(replace(asked, facts=picture(20, longest)), ACCOUNT, ROOMY), Priced
    )
    for refusal in (found, turned):
        assert isinstance(refusal, Refusal)
        assert refusal.code is ErrorCode.IMAGE_TOO_LARGE
    assert isinstance(turned, Refusal)
    assert told in turned.detail


@pytest.mark.parametrize(("alpha", "widest"), [(True, 2_500), (False, 5_625)])
def test_a_webp_of_more_pixels_than_its_coder_has_room_for_is_refused(
    widest: int, *, alpha: bool
) -> None:
    # Enlarged twice: 40 megapixels with alpha, 90 without.
    asked = replace(CANDIDATE, preset=None, parameters=UpscaleParameters(factor=2, format="webp"))

    def found(width: int) -> object:
        facts = replace(picture(width, 4_000), has_alpha=alpha)
        return what_comes_of(replace(asked, facts=facts), ACCOUNT, ROOMY)

    assert isinstance(found(widest), Priced)
    assert isinstance(found(widest + 1), Refusal)


def test_a_result_of_too_many_pixels_is_refused_in_any_format() -> None:
    asked = replace(CANDIDATE, preset=None, parameters=UpscaleParameters(factor=8, format="tiff"))

    assert isinstance(
        what_comes_of(replace(asked, facts=picture(2048, 2048)), ACCOUNT, ROOMY), Priced
    )
    found = what_comes_of(replace(asked, facts=picture(2049, 2048)), ACCOUNT, ROOMY)
    assert isinstance(found, Refusal)
    assert "a result has at most 268435456 pixels" in found.detail


def test_what_is_stored_as_it_came_is_not_asked_whether_it_could_be_decoded() -> None:
    asked = replace(CANDIDATE, preset="identity", facts=replace(picture(1, 3000), frames=999))

    assert isinstance(what_comes_of(asked, ACCOUNT, OFFERED), Priced)


def test_an_accounts_own_preset_is_meant_before_the_built_in_of_that_name() -> None:
    own = preset("upscale-photo-x4", UpscaleParameters(model="anime"), ACCOUNT_ID)
    foreign = preset("mine", IdentityParameters(), "acc_other")
    offered = catalogue(own, foreign)

    assert what_comes_of(CANDIDATE, ACCOUNT, offered) == Priced(
        OperationName.UPSCALE, UpscaleParameters(model="anime"), picture_of(CANDIDATE), 4000, "CNY"
    )
    assert isinstance(what_comes_of(replace(CANDIDATE, preset="mine"), ACCOUNT, offered), Refusal)


def test_parameters_that_are_given_need_no_preset() -> None:
    asked = replace(CANDIDATE, preset=None, parameters=IdentityParameters())

    assert what_comes_of(asked, ACCOUNT, OFFERED) == Priced(
        OperationName.IDENTITY, IdentityParameters(), picture_of(asked), 1, "CNY"
    )


def test_a_region_by_alpha_needs_alpha_and_no_mask() -> None:
    asked = replace(CANDIDATE, preset="inpaint-alpha", facts=picture(10, 10, alpha=True))

    assert what_comes_of(asked, ACCOUNT, OFFERED) == Priced(
        OperationName.INPAINT,
        InpaintParameters(mask="alpha"),
        picture(10, 10, alpha=True),
        1000,
        "CNY",
    )


def test_a_detail_repeats_at_most_a_short_piece_of_what_a_stranger_wrote() -> None:
    long = replace(CANDIDATE, preset="x" * 1000, account_id="y" * 1000)

    for account in (ACCOUNT, None):
        found = what_comes_of(long, account, OFFERED)
        assert isinstance(found, Refusal)
        assert len(found.detail) < 200


@pytest.mark.parametrize(
    ("apart", "listed", "taken"),
    [
        (timedelta(minutes=5), False, True),
        (timedelta(minutes=5, seconds=1), False, False),
        (timedelta(days=-2), False, True),
        (timedelta(days=-2, seconds=-1), False, False),
        (timedelta(days=-400), True, True),
    ],
)
def test_an_upload_dated_outside_the_window_is_refused_unless_a_listing_found_it(
    apart: timedelta, *, listed: bool, taken: bool
) -> None:
    dated = replace(CANDIDATE, requested_at=CANDIDATE.requested_at + apart, listed=listed)

    match what_comes_of(dated, ACCOUNT, OFFERED):
        case Priced():
            assert taken
        case Refusal(code, detail):
            assert (code, taken) == (ErrorCode.CLOCK_SKEW, False)
            assert dated.requested_at.isoformat() in detail


@pytest.mark.parametrize("operation", [None, OperationName.UPSCALE])
@pytest.mark.parametrize(
    ("quota", "asked", "code"),
    [
        (Quota.IMAGE_BYTES, CANDIDATE.source_bytes, ErrorCode.FILE_TOO_LARGE),
        (Quota.IMAGE_PIXELS, picture_of(CANDIDATE).pixels, ErrorCode.IMAGE_TOO_LARGE),
    ],
)
def test_a_plans_limit_on_one_picture_is_told_with_what_was_asked(
    quota: Quota, asked: int, code: ErrorCode, operation: OperationName | None
) -> None:
    limits = {(operation, quota): asked - 1}
    found = what_comes_of(CANDIDATE, ACCOUNT, OFFERED, limits=limits)
    fits = what_comes_of(CANDIDATE, ACCOUNT, OFFERED, limits={(operation, quota): asked})

    assert isinstance(found, Refusal)
    assert found.code is code
    assert found.limit == LimitReached(
        quota=quota, operation=operation, limit=asked - 1, used=0, asked=asked
    )
    assert isinstance(fits, Priced)


def test_a_suspended_operation_is_refused_and_the_others_are_not() -> None:
    restricted = Restricted(suspended=frozenset({OperationName.UPSCALE}))
    other = replace(CANDIDATE, preset=None, parameters=IdentityParameters())

    found = what_comes_of(CANDIDATE, ACCOUNT, OFFERED, restricted=restricted)

    assert isinstance(found, Refusal)
    assert found.code is ErrorCode.OPERATION_SUSPENDED
    assert isinstance(what_comes_of(other, ACCOUNT, OFFERED, restricted=restricted), Priced)
