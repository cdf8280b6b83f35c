from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.billing import money
from domain.billing.errors import AmountError
from domain.billing.model import LARGEST_AMOUNT, NewHold
from schemas.ids import AccountId, JobId

amounts = st.integers(min_value=-LARGEST_AMOUNT, max_value=LARGEST_AMOUNT)


@given(amounts)
def test_what_is_written_out_reads_back_as_the_same_amount(amount: int) -> None:
    written = money.to_text(amount, "CNY").removesuffix(" CNY")

    assert money.to_minor(written, "CNY") == amount


@pytest.mark.parametrize(
    ("written", "amount"),
    [("12.5", 125_000), ("0", 0), ("0.0001", 1), ("-3", -30_000), (" 1.2345 ", 12_345)],
)
def test_yuan_are_counted_in_ten_thousandths(written: str, amount: int) -> None:
    assert money.to_minor(written, "CNY") == amount


@pytest.mark.parametrize(
    "written",
    ["", "1,5", "1e3", "0.00001", "1.", ".5", "nan", "١", "1" * 17, "100000000000.0001"],
)
def test_nothing_is_rounded_or_guessed(written: str) -> None:
    with pytest.raises(AmountError):
        money.to_minor(written, "CNY")


def test_an_unknown_currency_is_refused_by_name() -> None:
    with pytest.raises(AmountError, match=r"'EUR'.*CNY"):
        money.to_minor("1", "EUR")


def test_units_that_are_no_currency_are_whole_numbers() -> None:
    assert money.to_text(7, "allowance:upscale") == "7 allowance:upscale"


@given(st.integers().filter(lambda amount: not 0 <= amount <= LARGEST_AMOUNT))
def test_a_hold_is_never_negative_nor_absurd(amount: int) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        NewHold(JobId("job_x"), AccountId("acc_x"), amount, "CNY", datetime.now(UTC))
