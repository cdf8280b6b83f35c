import json
import subprocess
import sys
from typing import Any

from api.generate import OPENAPI_FILE, openapi

DOCUMENT: dict[str, Any] = json.loads(openapi())
OPERATIONS: list[tuple[str, str, dict[str, Any]]] = [
    (path, method, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
WITHOUT_A_KEY = {"/healthz", "/readyz", "/v1/errors"}


def test_the_file_is_what_the_code_says() -> None:
    assert OPENAPI_FILE.read_bytes() == openapi(), "run `make schemas` and commit the change"


def test_the_same_code_makes_the_same_bytes() -> None:
    assert openapi() == openapi()


def test_every_endpoint_says_whether_it_needs_a_key() -> None:
    for path, _, operation in OPERATIONS:
        if path in WITHOUT_A_KEY:
            assert "security" not in operation
        else:
            assert operation["security"] == [{"apiKey": []}]
            assert "401" in operation["responses"]


def test_every_answer_to_a_key_tells_of_its_rate_and_429_of_when_to_come_again() -> None:
    for _, _, operation in OPERATIONS:
        for status, response in operation["responses"].items():
            told = {*response.get("headers", {})}
            assert ({"RateLimit", "RateLimit-Policy"} <= told) == ("security" in operation)
            assert ("Retry-After" in told) == (status in {"429", "503"})


def test_every_failure_is_described_as_a_problem() -> None:
    for _, _, operation in OPERATIONS:
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert [*response["content"]] == ["application/problem+json"]


def test_every_reference_leads_somewhere() -> None:
    text = json.dumps(DOCUMENT)
    for part in text.split('"#/components/schemas/')[1:]:
        assert part.partition('"')[0] in DOCUMENT["components"]["schemas"]


def test_a_new_job_can_be_asked_for_in_two_forms() -> None:
    content = DOCUMENT["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]

    assert {*content} == {"application/json", "multipart/form-data"}


def test_the_process_is_light() -> None:
    heavy = "{'torch', 'cv2', 'numpy', 'PIL', 'kafka', 'faust'}"
    code = f"import sys, api.app, api.server; print({heavy} & set(sys.modules))"
    done = subprocess.run(  # noqa: S603 - our own interpreter and text
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
