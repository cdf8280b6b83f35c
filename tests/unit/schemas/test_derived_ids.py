import base64
import hashlib
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from schemas import ids
from schemas.ids import AccountId, JobId, api_job_id, object_job_id, retry_job_id

TEXT = st.text(max_size=20)
BARE = TEXT.filter(lambda text: '"' not in text)


def derived(canonical: str) -> str:
    """The rule, from its text alone: `canonical` is the JSON array as it is written out."""
    digest = hashlib.sha256(canonical.encode("utf-8")).digest()
    return "job_" + base64.b32encode(digest[:20]).decode().lower()


LONG = "job_" + "a" * 32
CAT = ("uploads", "in/acc_1/x4/cat.png")
PHOTO = ("uploads", "in/acc_1/x4/照片 a+b&%41.jpg")


@pytest.mark.parametrize(
    ("made", "canonical"),
    [
        (object_job_id(*CAT, "0d1c"), '["uploads","in/acc_1/x4/cat.png","0d1c"]'),
        (object_job_id(*PHOTO, "0d-3"), '["uploads","in/acc_1/x4/照片 a+b&%41.jpg","0d-3"]'),
        (object_job_id("u", 'a"b\\c\n/', "e"), '["u","a\\"b\\\\c\\n/","e"]'),
        (object_job_id("u", "k", "e", "m"), '["u","k","e","m"]'),
        (api_job_id(AccountId("acc_1"), "order 7"), '["api:","acc_1","order 7"]'),
        (retry_job_id(JobId(LONG)), f'["retry:","{LONG}"]'),
    ],
    ids=["object", "not ASCII", "escapes", "with mask", "api", "retry"],
)
def test_a_job_id_is_the_hash_of_the_canonical_array(made: str, canonical: str) -> None:
    assert made == derived(canonical)


def test_job_ids_never_change_from_one_release_to_the_next() -> None:
    assert (
        object_job_id("uploads", "in/acc_1/x4/cat.png", "0d1c")
        == "job_mlumacxksp337346u5y6po6zsdzuif73"
    )
    assert api_job_id(AccountId("acc_1"), "order 7") == "job_c6dmxrpnpnaqqgiulndfp37oewbeye7f"


@given(TEXT, TEXT, BARE)
def test_equal_inputs_make_equal_ids_of_the_promised_form(bucket: str, key: str, etag: str) -> None:
    made = object_job_id(bucket, key, etag)
    assert made == object_job_id(bucket, key, etag)
    assert re.fullmatch(ids.JOB_ID_PATTERN, made)
    assert ids.is_job_id(made)


@given(TEXT, TEXT, BARE, st.none() | BARE)
def test_quotes_around_an_etag_make_no_difference(
    bucket: str, key: str, etag: str, mask: str | None
) -> None:
    quoted = None if mask is None else f'"{mask}"'
    assert object_job_id(bucket, key, f'"{etag}"', quoted) == object_job_id(bucket, key, etag, mask)


@given(st.tuples(TEXT, TEXT, BARE), st.tuples(TEXT, TEXT, BARE))
def test_different_objects_have_different_jobs(
    one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    assume(one != other)
    assert object_job_id(*one) != object_job_id(*other)


def test_where_one_part_ends_and_the_next_begins_matters() -> None:
    assert object_job_id("b", "a", "bc") != object_job_id("b", "ab", "c")
    assert object_job_id("a", "bc", "e") != object_job_id("ab", "c", "e")
    assert object_job_id("b", "k", 'e","m') != object_job_id("b", "k", "e", "m")


def test_a_mask_makes_another_job_and_so_does_another_mask() -> None:
    made = {object_job_id("b", "k", "e", mask) for mask in (None, "", "m1", "m2")}
    assert len(made) == 4


def test_the_three_kinds_of_job_never_share_an_id() -> None:
    account, key = AccountId("acc_1"), "k"
    assert api_job_id(account, key) != object_job_id("api", account, key)
    assert retry_job_id(JobId("j")) != object_job_id("retry", "j", "")


def test_even_a_key_that_is_no_unicode_text_has_an_id() -> None:
    assert ids.is_job_id(object_job_id("b", "\udcff", "e"))


@pytest.mark.parametrize(
    "text",
    ["", "job_", LONG[:-1], LONG + "a", LONG.upper(), LONG.replace("a", "1"), "acc_1"],
)
def test_what_has_not_the_form_of_a_job_id_is_told_apart(text: str) -> None:
    assert not ids.is_job_id(text)


def test_a_line_break_after_a_job_id_is_not_overlooked() -> None:
    assert not ids.is_job_id(LONG + "\n")


def test_fresh_ids_are_of_the_promised_form_and_differ() -> None:
    accounts = {ids.new_account_id() for _ in range(50)}
    uploads = {ids.new_upload_id() for _ in range(50)}
    assert len(accounts) == len(uploads) == 50
    assert all(re.fullmatch(ids.ACCOUNT_ID_PATTERN, account) for account in accounts)
    assert all(re.fullmatch(ids.UPLOAD_ID_PATTERN, upload) for upload in uploads)


def test_the_event_ids_of_a_job_all_differ() -> None:
    job = JobId("job_x")
    made = [
        ids.requested_event_id(job),
        ids.usage_event_id(job),
        *(ids.transition_event_id(job, version) for version in (1, 2, 12)),
        *(ids.dispatched_event_id(job, attempt) for attempt in (1, 2, 12)),
        *(ids.finished_event_id(job, attempt) for attempt in (1, 2, 12)),
    ]
    assert len(set(made)) == len(made)
