"""An API key is shown once and kept as a hash."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.accounts.model import ApiKey, new_api_key, parse_api_key

WORDS = st.text("0123456789abcdefXYZ", min_size=1, max_size=80)


def test_a_new_key_is_read_back_as_it_was_shown() -> None:
    key = new_api_key()

    assert parse_api_key(str(key)) == key
    assert len(key.secret) * 4 == 256


@given(WORDS, WORDS)
def test_any_key_of_the_form_is_read_back(key_id: str, secret: str) -> None:
    assert parse_api_key(f"pm_live_{key_id}_{secret}") == ApiKey(key_id, secret)


def test_what_is_kept_is_the_hash_of_the_secret_alone() -> None:
    key = ApiKey("0a", "5e")

    assert key.secret_sha256 == hashlib.sha256(b"5e").digest()
    assert "5e" not in repr(key)
    assert new_api_key().secret_sha256 != new_api_key().secret_sha256


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pm_live_0a",
        "pm_live_0a_",
        "pm_live__5e",
        "pm_test_0a_5e",
        "sk_live_0a_5e",
        "pm_live_0a_5e_",
        "pm_live_0a_5e_ff",
        " pm_live_0a_5e",
        "pm_live_0a_5e\n",
        "pm_live_0a_\x00",
        "pm_live_0a_密钥",
        "pm_live_٣_5e",
        "PM_LIVE_0a_5e",
    ],
)
def test_what_has_another_form_is_no_key(text: str) -> None:
    assert parse_api_key(text) is None


@given(st.text(max_size=60))
def test_reading_a_key_never_raises(text: str) -> None:
    parsed = parse_api_key(text)

    assert parsed is None or str(parsed) == text
