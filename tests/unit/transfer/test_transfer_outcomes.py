from datetime import UTC, datetime
from pathlib import Path

from cli.bulk.files import LocalFile
from cli.bulk.outcomes import Outcomes
from cli.bulk.upload import Uploaded
from cli.transfer import await_outcomes
from infra.stored_objects import ObjectInfo
from schemas import keys
from schemas.ids import AccountId, JobId, object_job_id

BUCKET = "uploads"
ACCOUNT = AccountId("acc_1")


def an_upload(name: str, etag: str) -> Uploaded:
    file = LocalFile(Path(name), name, 1)
    return Uploaded(file, keys.input_key(ACCOUNT, "p", name), etag, sent=True)


def job_of(upload: Uploaded, mask: Uploaded | None = None) -> JobId:
    return object_job_id(BUCKET, upload.key, upload.etag, mask.etag if mask else None)


def at(key: str) -> ObjectInfo:
    return ObjectInfo(key, "e", 1, None, datetime(2026, 1, 1, tzinfo=UTC), None)


def a_result(upload: Uploaded, job: JobId) -> ObjectInfo:
    parsed = keys.parse_upload_key(upload.key)
    assert isinstance(parsed, keys.UploadKey)
    return at(keys.result_key(parsed, job, "png"))


def a_problem(upload: Uploaded, job: JobId) -> ObjectInfo:
    return at(keys.problem_key(upload.key, job))


CAT, DOG = an_upload("cat.png", "1"), an_upload("dog 照.png", "2")
MASK = an_upload("cat.png.mask.png", "3")


def test_uploads_wait_until_a_result_or_a_problem_is_seen() -> None:
    outcomes = Outcomes(BUCKET, [CAT, DOG])
    assert outcomes.waiting == {"cat.png", "dog 照.png"}
    outcomes.see([a_result(CAT, job_of(CAT))])
    assert outcomes.waiting == {"dog 照.png"}
    outcomes.see([a_problem(DOG, job_of(DOG))])
    assert outcomes.waiting == set()
    assert list(outcomes.results) == ["cat.png"]
    assert list(outcomes.problems) == [job_of(DOG)]


def test_the_result_of_older_bytes_under_the_same_key_is_passed_over() -> None:
    outcomes = Outcomes(BUCKET, [CAT])
    older = an_upload("cat.png", "0")
    outcomes.see([a_result(older, job_of(older)), at("out/acc_1/p/readme.txt")])
    assert outcomes.waiting == {"cat.png"}


def test_one_result_ends_an_image_and_its_mask() -> None:
    outcomes = Outcomes(BUCKET, [CAT, MASK])
    outcomes.see([a_result(CAT, job_of(CAT, MASK))])
    assert outcomes.waiting == set()


def test_where_a_preset_takes_no_mask_both_have_jobs_of_their_own() -> None:
    outcomes = Outcomes(BUCKET, [CAT, MASK])
    outcomes.see([a_result(CAT, job_of(CAT))])
    assert outcomes.waiting == {"cat.png.mask.png"}
    outcomes.see([a_result(MASK, job_of(MASK))])
    assert outcomes.waiting == set()


def test_waiting_looks_until_nothing_is_waited_for() -> None:
    outcomes = Outcomes(BUCKET, [CAT])
    looks = iter([[a_result(CAT, job_of(CAT))]])
    await_outcomes(lambda: outcomes.see(next(looks)), outcomes, deadline=float("inf"))
    assert not outcomes.waiting


def test_waiting_ends_at_its_deadline_after_one_look() -> None:
    outcomes = Outcomes(BUCKET, [CAT])
    looks: list[int] = []
    await_outcomes(lambda: looks.append(1), outcomes, deadline=0)
    assert looks == [1]
    assert outcomes.waiting == {"cat.png"}
