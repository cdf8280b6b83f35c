import json

import pytest
from pydantic import ValidationError

from schemas.errors import ErrorCode, http_status, type_uri
from schemas.problems import FieldError, problem, problem_file, wording
from schemas.texts import Locale


@pytest.mark.parametrize("code", ErrorCode)
def test_a_problem_has_every_member_of_rfc_9457_its_code_and_a_remedy(code: ErrorCode) -> None:
    body = json.loads(problem(code, detail="what happened", instance="urn:x").encode())
    words = wording(code, Locale.EN)
    assert body == {
        "type": type_uri(code),
        "title": words.title,
        "status": http_status(code),
        "detail": "what happened",
        "instance": "urn:x",
        "code": code.value,
        "remedy": words.remedy,
    }
    assert 400 <= body["status"] < 600


def test_title_and_remedy_are_in_the_language_asked_for_and_the_detail_is_not() -> None:
    body = problem(ErrorCode.EMPTY_OBJECT, detail="0 bytes", locale=Locale.ZH_CN)
    assert body.title == "文件为空"
    assert body.remedy == wording(ErrorCode.EMPTY_OBJECT, Locale.ZH_CN).remedy
    assert body.detail == "0 bytes"
    assert "文件为空".encode() in body.encode()


def test_wrong_fields_are_listed() -> None:
    body = problem(
        ErrorCode.REQUEST_INVALID,
        detail="1 field is wrong",
        errors=[FieldError(field="parameters.factor", message="Input should be 4")],
    )
    assert json.loads(body.encode())["errors"] == [
        {"field": "parameters.factor", "message": "Input should be 4"}
    ]


def test_the_bytes_do_not_depend_on_the_order_of_further_members() -> None:
    one = problem_file(ErrorCode.EMPTY_OBJECT, detail="d", job_id="j", account_id="a")
    other = problem_file(ErrorCode.EMPTY_OBJECT, detail="d", account_id="a", job_id="j")
    assert one.encode() == other.encode()
    assert one.encode() == one.encode()


def test_a_problem_file_is_english_with_the_other_languages_inside() -> None:
    body = json.loads(problem_file(ErrorCode.EMPTY_OBJECT, detail="0 bytes").encode())
    english = wording(ErrorCode.EMPTY_OBJECT, Locale.EN)
    chinese = wording(ErrorCode.EMPTY_OBJECT, Locale.ZH_CN)
    assert (body["title"], body["remedy"]) == (english.title, english.remedy)
    assert body["translations"] == {"zh-CN": {"title": chinese.title, "remedy": chinese.remedy}}


def test_an_answer_of_the_api_carries_one_language_only() -> None:
    body = json.loads(problem(ErrorCode.EMPTY_OBJECT, detail="0 bytes").encode())
    assert "translations" not in body


def test_further_members_stand_beside_the_standard_ones() -> None:
    body = json.loads(problem(ErrorCode.INSUFFICIENT_BALANCE, detail="d", needed=5).encode())
    assert body["needed"] == 5


def test_further_members_cannot_replace_the_standard_ones() -> None:
    with pytest.raises(TypeError, match="title"):
        problem(ErrorCode.EMPTY_OBJECT, detail="d", title="mine")


def test_further_members_are_json_values() -> None:
    with pytest.raises(ValidationError):
        problem(ErrorCode.EMPTY_OBJECT, detail="d", what=object())  # type: ignore[arg-type] # the wrong type is tried


def test_a_lone_surrogate_that_a_client_sent_is_quoted_as_a_question_mark() -> None:
    wrong = FieldError(field="\ud800", message="unknown \udfff")
    body = json.loads(problem(ErrorCode.REQUEST_INVALID, detail="\ud800", errors=[wrong]).encode())
    assert body["detail"] == "?"
    assert body["errors"] == [{"field": "?", "message": "unknown ?"}]
