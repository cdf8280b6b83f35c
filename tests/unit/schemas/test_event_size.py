"""Bodies stay under 64 kB by schema: no message that validates can be longer."""

import math
from typing import Any

import pytest

from schemas.events import EventData
from schemas.json_schemas import ENVELOPES, event_file, json_schemas

Json = dict[str, Any]

LIMIT = 64_000
LONGEST_ESCAPE = 6  # a control character, as a backslash, u and four digits
LONGEST_TIME = 35
LONGEST_NUMBER = 25
PATTERNS = {r"^job_[a-z2-7]{32}$": 36, r"^acc_[a-z0-9]{1,32}$": 36}


def longest(schema: Json, definitions: Json) -> float:
    """The greatest length in bytes of what validates, written as compact JSON."""
    match schema:
        case {"$ref": str(reference)}:
            return longest(definitions[reference.rpartition("/")[2]], definitions)
        case {"anyOf": options}:
            return max(longest(option, definitions) for option in options)
        case {"type": "array", "items": items}:
            return count(schema, "maxItems") * (longest(items, definitions) + 1) + 2
        case {"type": "object", "properties": properties}:
            return 2 + sum(
                len(name) + 4 + longest(value, definitions) for name, value in properties.items()
            )
        case {"type": "object", "additionalProperties": values}:
            name = longest_text(schema.get("propertyNames", {})) + 2
            return count(schema, "maxProperties") * (name + longest(values, definitions) + 2) + 2
        case {"type": "string"}:
            return longest_text(schema) + 2
        case {"type": "integer" | "number" | "boolean" | "null"}:
            return LONGEST_NUMBER
        case _:
            raise AssertionError(f"no length known for {schema}")


def longest_text(schema: Json) -> float:
    match schema:
        case {"const": str(value)}:
            return len(value)
        case {"enum": values}:
            return max(map(len, values))
        case {"pattern": pattern} if pattern in PATTERNS:
            return PATTERNS[pattern]
        case {"format": "date-time"}:
            return LONGEST_TIME
        case _:
            return count(schema, "maxLength") * LONGEST_ESCAPE


def count(schema: Json, limit: str) -> float:
    return float(schema.get(limit, math.inf))


@pytest.mark.parametrize("data", ENVELOPES, ids=lambda data: data.TYPE)
def test_no_body_that_validates_is_longer_than_the_limit(data: type[EventData]) -> None:
    schema: Json = dict(json_schemas()[event_file(data)])
    assert longest(schema, schema["$defs"]) < LIMIT
