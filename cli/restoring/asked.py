"""What was asked for on the command line, as the parameters of an operation."""

import json
from collections.abc import Iterable, Mapping
from typing import Final

from pydantic import ValidationError

from schemas.operations import (
    PARAMETERS,
    IdentityParameters,
    InpaintParameters,
    OperationName,
    PictureOperation,
    parse_parameters,
)

OPERATIONS: Final = tuple(name for name in OperationName if name is not OperationName.IDENTITY)


SPELLED: Final = {
    "operation": "--operation",
    "model": "--model",
    "factor": "--scale",
    "strength": "--strength",
    "format": "--format",
    "quality": "--quality",
    "target_bytes": "--target-bytes",
    "metadata": "--keep-metadata",
}
"""The parameters that have an option of their own."""


class WronglyAskedError(ValueError):
    """No operation of that name, or it does not take those parameters; says which it has."""


def parameters_of(
    operation: str, options: Mapping[str, object], pairs: Iterable[str]
) -> PictureOperation:
    """Return the parameters of `operation`: `options` that are not None, and `name=value` pairs.

    A text that is JSON is taken as such, so that numbers and lists can be given; any other, and
    one that the parameter takes only as text (`subsampling=420`), is text. Raises
    `WronglyAskedError`, also where a parameter is given twice and not with the same value.
    """
    if operation not in OPERATIONS:
        raise WronglyAskedError(
            f"there is no operation {operation!r}; there are {', '.join(OPERATIONS)}"
        )
    given = {"operation": operation, **options}
    asked = {name: _value(value) for name, value in given.items() if value is not None}
    texts = {name: value for name, value in given.items() if isinstance(value, str)}
    spelled = {name: SPELLED[name] for name in asked}
    told = dict(spelled)
    for pair in pairs:
        name, text = _pair(pair)
        value = _value(text)
        if asked.setdefault(name, value) != value:
            raise WronglyAskedError(
                f"{told[name]} and --param {pair} cannot both hold; give one of them"
            )
        texts[name] = text
        told.setdefault(name, f"--param {pair}")
    try:
        parsed = parse_parameters(operation, asked)
    except ValidationError as error:
        wrong = {str(each["loc"][1]) for each in error.errors() if len(each["loc"]) > 1}
        as_text = {name: text for name, text in texts.items() if name in wrong}
        try:
            parsed = parse_parameters(operation, asked | as_text)
        except ValidationError:
            raise WronglyAskedError(_in_words(operation, error, spelled)) from error
    match parsed:
        case IdentityParameters():
            raise WronglyAskedError("identity restores nothing")
        case InpaintParameters() if parsed.shapes and parsed.mask != "shapes":
            raise WronglyAskedError("shapes are what is filled only with --param mask=shapes")
        case _:
            return parsed


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise WronglyAskedError(f"--param takes name=value, not {text!r}")
    return name, value


def _value(given: object) -> object:
    if not isinstance(given, str):
        return given
    try:
        value: object = json.loads(given)
    except ValueError:
        return given
    return value


def _in_words(operation: str, error: ValidationError, spelled: Mapping[str, str]) -> str:
    taken = sorted(set(PARAMETERS[OperationName(operation)].model_fields) - {"operation"})
    lines = list[str]()
    for wrong in error.errors():
        # The first part is the operation, by which the kind of parameters was chosen.
        name = ".".join(str(part) for part in wrong["loc"][1:])
        if wrong["type"] == "extra_forbidden":
            told = spelled.get(name, name)
            lines.append(f"{operation} takes no {told}; it takes {', '.join(taken)}")
        else:
            lines.append(f"{spelled.get(name, name)}: {wrong['msg']}, not {wrong['input']!r}")
    return "\n".join(lines)
