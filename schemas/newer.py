"""Telling an event that a newer version of picmend wrote from a message that is wrong.

A newer writer may add fields, which are ignored. What a reader cannot know are a type of event,
a value of a closed set (a state, an operation, an error code), and a schema whose first number
is another: such a message is right, and this version too old for it.
"""

import re
from collections.abc import Collection
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

_OURS: Final = "picmend."
_SCHEMA: Final = re.compile(r"urn:picmend:schema:[a-z.]+:(\d{1,9})(?:\.\d{1,9})*")
_SCHEMA_READ: Final = 1
"""The first number of the schemas that this version reads; what stands behind it may differ."""
_CLOSED_SETS: Final = frozenset({"enum", "literal_error"})


class _Head(BaseModel):
    model_config = ConfigDict(extra="ignore")

    specversion: str
    type: str
    dataschema: str


def newer_head(type_: str, dataschema: str, *, known: Collection[str]) -> str | None:
    """Return what in an event's type or schema is newer than this version, or None.

    `known` are the types of all events of this version.
    """
    if type_.startswith(_OURS) and type_ not in known:
        return f"type: {type_!r} is not known to this version"
    numbered = _SCHEMA.fullmatch(dataschema)
    if numbered and int(numbered[1]) > _SCHEMA_READ:
        return f"dataschema: {dataschema!r} is newer than version {_SCHEMA_READ}, which is read"
    return None


def newer_than_this(raw: bytes, error: ValidationError, *, known: Collection[str]) -> str | None:
    """Return what in a message that did not validate is newer than this version, or None."""
    try:
        head = _Head.model_validate_json(raw)
    except ValidationError:
        return None
    if head.specversion != "1.0":
        return None
    if why := newer_head(head.type, head.dataschema, known=known):
        return why
    found = error.errors(include_url=False)
    if all(
        one["type"] in _CLOSED_SETS and one["loc"][0] == "data" and isinstance(one["input"], str)
        for one in found
    ):
        where = ".".join(str(part) for part in found[0]["loc"])
        return f"{where}: its value is not known to this version"
    return None
