import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from schemas import events, generate
from schemas.errors import ErrorCode
from schemas.events import EventData
from schemas.json_schemas import (
    ENVELOPES,
    PARAMETERS,
    PROBLEM_FILE,
    event_file,
    json_schemas,
    parameters_file,
)
from schemas.operations import OperationName, parse_parameters
from schemas.problems import FieldError, problem, problem_file

Samples = dict[type[EventData], events.Event[Any]]

EVERY_EVENT = pytest.mark.parametrize("data", ENVELOPES, ids=lambda data: data.TYPE)


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(json_schemas()[name], format_checker=FormatChecker())


def test_the_files_in_the_tree_are_those_that_the_code_makes() -> None:
    wanted, found = generate.generated(), generate.present()
    stale = sorted(
        name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)
    )
    assert not stale, f"run `make schemas`: it changes schemas/{', schemas/'.join(stale)}"


def test_generating_twice_makes_the_same_bytes() -> None:
    assert generate.generated() == generate.generated()


def test_writing_mends_what_changed_adds_what_is_missing_and_removes_what_is_left_over(
    tmp_path: Path,
) -> None:
    generate.write(tmp_path)
    (tmp_path / "json" / "problem.json").write_text("{}")
    (tmp_path / "json" / "picmend.job.gone.json").write_text("{}")
    (tmp_path / "asyncapi.json").unlink()

    assert generate.write(tmp_path) == [
        "asyncapi.json",
        "json/picmend.job.gone.json",
        "json/problem.json",
    ]
    assert generate.present(tmp_path) == generate.generated()
    assert generate.write(tmp_path) == []


@pytest.mark.parametrize("name", json_schemas())
def test_every_schema_is_valid_against_its_dialect(name: str) -> None:
    schema = json_schemas()[name]
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)


def test_every_schema_has_an_id_of_its_own() -> None:
    assert len({schema["$id"] for schema in json_schemas().values()}) == len(json_schemas())


def test_every_event_and_every_operation_has_a_schema() -> None:
    assert set(ENVELOPES) == {
        member
        for member in vars(events).values()
        if isinstance(member, type)
        and issubclass(member, events.EventData)
        and "TYPE" in vars(member)
    }
    assert set(PARAMETERS) == set(OperationName)


@EVERY_EVENT
def test_an_event_carries_the_id_of_the_schema_that_it_validates_against(
    data: type[EventData], samples: Samples
) -> None:
    message = json.loads(samples[data].encode())
    assert json_schemas()[event_file(data)]["$id"] == message["dataschema"]
    validator(event_file(data)).validate(message)


@EVERY_EVENT
def test_an_event_with_a_field_of_a_newer_writer_still_validates(
    data: type[EventData], samples: Samples
) -> None:
    message = json.loads(samples[data].encode())
    message["sequence"] = "1"
    message["data"]["added_later"] = {"any": "thing"}
    validator(event_file(data)).validate(message)


@EVERY_EVENT
def test_no_event_validates_as_another(data: type[EventData], samples: Samples) -> None:
    message = json.loads(samples[data].encode())
    others = [other for other in ENVELOPES if other is not data]
    assert not any(validator(event_file(other)).is_valid(message) for other in others)


@pytest.mark.parametrize(
    "field", ["specversion", "id", "source", "type", "subject", "time", "dataschema", "data"]
)
@EVERY_EVENT
def test_an_event_without_an_attribute_of_the_envelope_does_not_validate(
    data: type[EventData], field: str, samples: Samples
) -> None:
    message = json.loads(samples[data].encode())
    del message[field]
    assert not validator(event_file(data)).is_valid(message)


@pytest.mark.parametrize("operation", OperationName)
def test_parameters_with_their_defaults_validate(operation: OperationName) -> None:
    parameters = parse_parameters(operation, {})
    validator(parameters_file(operation)).validate(parameters.model_dump(mode="json"))


@pytest.mark.parametrize("operation", OperationName)
def test_parameters_that_no_operation_has_do_not_validate(operation: OperationName) -> None:
    assert not validator(parameters_file(operation)).is_valid({"sharpness": 3})


def test_a_problem_and_a_problem_file_validate() -> None:
    answer = problem(
        ErrorCode.REQUEST_INVALID,
        detail="1 field is wrong",
        errors=[FieldError(field="preset", message="is missing")],
    )
    file = problem_file(ErrorCode.EMPTY_OBJECT, detail="0 bytes", job_id="job_x")
    for each in (answer, file):
        validator(PROBLEM_FILE).validate(json.loads(each.encode()))
