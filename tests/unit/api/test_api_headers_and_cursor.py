import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.cursor import decode_cursor, encode_cursor
from api.errors import IdempotencyKeyMissingError, RequestInvalidError
from api.headers import check_idempotency_key, parse_wait


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("wait=10", 10),
        ("Wait = 10", 10),
        ('wait="7"', 7),
        ("respond-async, wait=5; x=y", 5),
        ("wait=5, wait=6", 5),
        ("wait=61", 60),
        ("wait=999999999999", 0),
        ("wait=-1", 0),
        ("wait=1.5", 0),
        ("wait", 0),
        ("wait=", 0),
        ("wait=٣", 0),
        ("await=3", 0),
    ],
)
def test_a_wait_is_read_from_prefer_and_capped_at_a_minute(
    prefer: str | None, seconds: int
) -> None:
    assert parse_wait(prefer) == seconds


@given(st.text())
def test_no_prefer_header_breaks_anything(prefer: str) -> None:
    assert 0 <= parse_wait(prefer) <= 60


@pytest.mark.parametrize("key", ["k", "0" * 255, "a key with spaces!", "550e8400-e29b"])
def test_a_printable_key_is_taken_as_it_is(key: str) -> None:
    assert check_idempotency_key(key) == key


@pytest.mark.parametrize("key", ["0" * 256, "ä", "a\0b", "a\nb", "\x7f", "键"])
def test_a_key_that_no_header_should_hold_is_refused(key: str) -> None:
    with pytest.raises(RequestInvalidError) as refused:
        check_idempotency_key(key)

    assert refused.value.errors[0].field == "Idempotency-Key"


@pytest.mark.parametrize("key", [None, ""])
def test_no_key_is_an_error_of_its_own(key: str | None) -> None:
    with pytest.raises(IdempotencyKeyMissingError):
        check_idempotency_key(key)


@given(st.integers(1, 2**63 - 1))
def test_a_cursor_leads_back_to_its_place(seq: int) -> None:
    cursor = encode_cursor(seq)

    assert decode_cursor(cursor) == seq
    assert cursor.replace("-", "").replace("_", "").isalnum()


@given(st.text(max_size=40))
def test_any_other_text_is_no_cursor(text: str) -> None:
    try:
        seq = decode_cursor(text)
    except ValueError:
        return
    assert encode_cursor(seq) == text


@pytest.mark.parametrize("text", ["", "=", "ajE6", encode_cursor(2**63), encode_cursor(-1), "é"])
def test_a_place_that_no_job_has_is_no_cursor(text: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        decode_cursor(text)
