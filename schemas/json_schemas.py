"""JSON Schemas (draft 2020-12) of what crosses a border: events, parameters, problems.

An event's schema covers the whole CloudEvents envelope with that event's data, and its `$id`
is the `dataschema` that every such event carries.
"""

import json
from typing import Final

from pydantic import BaseModel, JsonValue, TypeAdapter

from schemas.events import (
    AbuseFound,
    Event,
    EventData,
    JobChanged,
    JobRequested,
    UsageRecorded,
    WorkDispatched,
    WorkFinished,
    dataschema,
)
from schemas.operations import PARAMETERS, OperationName
from schemas.problems import Problem
from schemas.states import JobState

Document = dict[str, JsonValue]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

ENVELOPES: Final[dict[type[EventData], type[BaseModel]]] = {
    JobRequested: Event[JobRequested],
    WorkDispatched: Event[WorkDispatched],
    WorkFinished: Event[WorkFinished],
    UsageRecorded: Event[UsageRecorded],
    JobChanged: Event[JobChanged],
    AbuseFound: Event[AbuseFound],
}
"""The envelope of every event that is sent."""

PROBLEM_FILE: Final = "problem.json"

_ALWAYS_WRITTEN: Final = ["specversion", "source"]
_DOCUMENT: Final[TypeAdapter[Document]] = TypeAdapter(Document)


def event_file(data: type[EventData]) -> str:
    """Return the name, within the folder of JSON Schemas, of an event's schema."""
    return f"{data.TYPE}.json"


def parameters_file(operation: OperationName) -> str:
    """Return the name, within the folder of JSON Schemas, of an operation's parameters."""
    return f"operation.{operation}.json"


def json_schemas() -> dict[str, Document]:
    """Return every JSON Schema by its file name."""
    events = {event_file(data): _event(data) for data in ENVELOPES}
    parameters = {
        parameters_file(operation): _schema(model, f"urn:picmend:schema:operation.{operation}:1")
        for operation, model in PARAMETERS.items()
    }
    problem = {PROBLEM_FILE: _schema(Problem, "urn:picmend:schema:problem:1")}
    return events | parameters | problem


def event_types(data: type[EventData]) -> list[str]:
    """Return the CloudEvents types under which this data is sent."""
    if data is JobChanged:
        return [f"picmend.job.{state}" for state in JobState]
    return [data.TYPE]


def encode(document: Document) -> bytes:
    """Return the bytes of a generated file: indented UTF-8 JSON with a final newline."""
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _schema(model: type[BaseModel], identifier: str) -> Document:
    made = _DOCUMENT.validate_python(model.model_json_schema())
    return {"$schema": DIALECT, "$id": identifier, **made}


def _event(data: type[EventData]) -> Document:
    """Return an event's schema, with what the type of the data settles filled in."""
    schema = _schema(ENVELOPES[data], dataschema(data))
    schema["title"] = data.TYPE
    schema["description"] = data.__doc__
    properties, required = schema["properties"], schema["required"]
    if not isinstance(properties, dict) or not isinstance(required, list):
        raise TypeError(f"the schema of {data.TYPE} is not that of an object")
    properties["type"] = {"type": "string", "enum": list[JsonValue](event_types(data))}
    properties["dataschema"] = {"type": "string", "const": dataschema(data)}
    # CloudEvents requires both; the model has defaults for them only to make writing easy.
    schema["required"] = [*_ALWAYS_WRITTEN, *required]
    return schema
