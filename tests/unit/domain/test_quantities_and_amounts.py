"""Money's one rounding: up to a started megapixel."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from domain.catalogue.model import Pricing, quantity
from schemas.operations import OperationName
from tests.unit.domain.samples import catalogue, price

SIDES = st.integers(1, 65_535)


@given(SIDES, SIDES)
def test_a_picture_counts_its_started_megapixels(width: int, height: int) -> None:
    counted = quantity(Pricing.MEGAPIXEL, width * height)

    assert counted >= 1
    assert counted - 1 < Fraction(width * height, 10**6) <= counted


def test_a_megapixel_is_full_at_a_million_pixels() -> None:
    borders = (1, 999_999, 1_000_000, 1_000_001, 2_000_000, 2_000_001)

    assert [quantity(Pricing.MEGAPIXEL, n) for n in borders] == [1, 1, 1, 2, 2, 3]


@given(st.integers(1, 2**31), st.integers(0, 10**9))
def test_an_amount_is_the_quantity_times_the_unit_price(pixels: int, unit_price: int) -> None:
    offered = catalogue(prices=(price(OperationName.UPSCALE, unit_price),))

    assert offered.amount(OperationName.UPSCALE, "CNY", pixels) == unit_price * quantity(
        Pricing.MEGAPIXEL, pixels
    )


@given(st.integers(1, 2**40))
def test_identity_costs_one_minor_unit_whatever_its_size(pixels: int) -> None:
    assert catalogue().amount(OperationName.IDENTITY, "CNY", pixels) == 1


def test_what_has_no_price_in_a_currency_has_no_amount() -> None:
    assert catalogue().amount(OperationName.UPSCALE, "EUR", 1) is None
    assert catalogue(prices=()).amount(OperationName.UPSCALE, "CNY", 1) is None
