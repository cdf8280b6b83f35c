import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import keys
from schemas.errors import ErrorCode
from schemas.ids import AccountId, JobId, UploadId

ACCOUNT = AccountId("acc_1")
JOB = JobId("job_" + "a" * 32)

segments = st.text(
    min_size=1, max_size=20, alphabet=st.characters(blacklist_categories=["Cs"])
).filter(lambda text: "/" not in text and text not in (".", ".."))


def test_an_upload_key_is_taken_apart() -> None:
    parsed = keys.parse_upload_key("in/acc_1/upscale/summer 2026/照片+1%.jpg")
    assert parsed == keys.UploadKey(ACCOUNT, "upscale", "summer 2026/照片+1%.jpg")


@pytest.mark.parametrize(
    "key", ["out/acc_1/x4/a.png", "staged/acc_1/upl_1", "in", "inbox/a", "in/acc_1/x4/folder/", ""]
)
def test_other_keys_are_no_uploads(key: str) -> None:
    assert keys.parse_upload_key(key) is None


@pytest.mark.parametrize(
    "key",
    [
        "in/cat.png",
        "in/acc_1/cat.png",
        "in//x4/cat.png",
        "in/acc_1//cat.png",
        "in/acc_1/x4//cat.png",
        "in/acc_1/x4/../../acc_2/x4/cat.png",
        "in/acc_1/x4/./cat.png",
        "in/../x4/cat.png",
    ],
)
def test_a_key_with_missing_or_odd_segments_is_malformed(key: str) -> None:
    parsed = keys.parse_upload_key(key)
    assert isinstance(parsed, keys.MalformedKey)
    assert parsed.code is ErrorCode.MALFORMED_KEY


def test_a_malformed_key_still_tells_whose_it_is() -> None:
    parsed = keys.parse_upload_key("in/acc_1/cat.png")
    assert isinstance(parsed, keys.MalformedKey)
    assert parsed.account_id == "acc_1"


def test_length_counts_in_bytes_and_900_are_allowed() -> None:
    prefix = "in/acc_1/x4/" + "d/" * 400
    fits = prefix + "a" * (keys.MAX_KEY_BYTES - len(prefix))
    assert isinstance(keys.parse_upload_key(fits), keys.UploadKey)
    for too_long in (fits + "a", "in/acc_1/x4/" + "照/" * 300 + "a"):
        parsed = keys.parse_upload_key(too_long)
        assert isinstance(parsed, keys.MalformedKey)
        assert parsed.code is ErrorCode.KEY_TOO_LONG


@pytest.mark.parametrize("name", ["a" * keys.MAX_NAME_BYTES, "照" * 68])
def test_a_name_leaves_room_for_what_is_put_beside_it(name: str) -> None:
    key = f"in/acc_1/x4/{name}"
    assert isinstance(keys.parse_upload_key(key), keys.UploadKey)
    assert len(keys.problem_key(key, JOB).rpartition("/")[2].encode()) <= 255
    parsed = keys.parse_upload_key(key + "照")
    assert isinstance(parsed, keys.MalformedKey)
    assert parsed.code is ErrorCode.KEY_TOO_LONG


@given(segments, segments)
def test_every_well_formed_key_comes_apart_as_it_was_put_together(preset: str, path: str) -> None:
    parsed = keys.parse_upload_key(keys.input_key(ACCOUNT, preset, path))
    assert parsed == keys.UploadKey(ACCOUNT, preset, path)


@given(segments, segments, st.sampled_from(["png", "jpg", "webp"]))
def test_a_results_key_names_its_source(preset: str, path: str, extension: str) -> None:
    source = keys.UploadKey(ACCOUNT, preset, path)
    output = keys.parse_output_key(keys.result_key(source, JOB, extension))
    assert output == keys.OutputKey(keys.input_key(ACCOUNT, preset, path), JOB, extension)
    assert not output.is_problem


@given(segments, segments)
def test_a_problems_key_names_its_source(preset: str, path: str) -> None:
    source = keys.input_key(ACCOUNT, preset, path)
    output = keys.parse_output_key(keys.problem_key(source, JOB))
    assert output == keys.OutputKey(source, JOB, "problem.json")
    assert output.is_problem


@given(st.text(alphabet="a./照", max_size=600))
def test_a_problem_always_lies_under_its_accounts_prefix_and_fits_a_store(path: str) -> None:
    key = keys.problem_key(f"in/acc_1/{path}", JOB)
    assert key.startswith("out/acc_1/")
    assert not {".", ".."} & set(key.split("/"))
    assert len(key.encode()) <= 1024
    assert len(key.rpartition("/")[2].encode()) <= 255


@pytest.mark.parametrize("key", ["out/acc_1/api/a.png", f"in/a.{JOB}.png", "out/a.job_x.png"])
def test_other_keys_are_no_output_of_an_upload(key: str) -> None:
    assert keys.parse_output_key(key) is None


def test_a_result_of_the_api_is_named_by_its_job_alone() -> None:
    key = keys.api_result_key(ACCOUNT, JOB, "png")
    assert key == f"out/acc_1/api/{JOB}.png"
    assert keys.parse_output_key(key) is None


def test_a_mask_lies_beside_its_image() -> None:
    image = keys.input_key(ACCOUNT, "inpaint", "a.jpg")
    assert keys.mask_key(image) == "in/acc_1/inpaint/a.jpg.mask.png"
    assert keys.masked_image_key(keys.mask_key(image)) == image
    assert keys.masked_image_key(image) is None
    assert keys.masked_image_key("in/acc_1/inpaint/.mask.png") is None


def test_a_staged_upload_lies_outside_in() -> None:
    key = keys.staged_key(ACCOUNT, UploadId("upl_1"))
    assert key == "staged/acc_1/upl_1"
    assert keys.parse_upload_key(key) is None
