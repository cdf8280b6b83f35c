from typing import Any

import pytest
from pydantic import ValidationError

from schemas.operations import (
    IdentityParameters,
    ImageFormat,
    InpaintParameters,
    OperationName,
    Parameters,
    UpscaleParameters,
    output_format,
    parse_parameters,
    takes_mask_file,
)

Json = dict[str, Any]

JPEG, PNG, WEBP = ImageFormat.JPEG, ImageFormat.PNG, ImageFormat.WEBP


@pytest.mark.parametrize("operation", OperationName)
def test_every_operation_has_parameters_that_need_not_be_given(operation: OperationName) -> None:
    assert parse_parameters(operation, {}).operation == operation


def test_given_parameters_are_kept_and_the_others_filled_in() -> None:
    parsed = parse_parameters("upscale", {"model": "anime"})
    assert parsed == UpscaleParameters(model="anime", factor=4, format="auto")


def test_parameters_cannot_name_another_operation() -> None:
    parsed = parse_parameters("identity", {"operation": "upscale"})
    assert parsed == IdentityParameters()


@pytest.mark.parametrize(
    ("operation", "parameters", "field"),
    [
        ("upscale", {"model": "portrait"}, "model"),
        ("upscale", {"factor": 9}, "factor"),
        ("upscale", {"format": "gif"}, "format"),
        ("upscale", {"sharpness": 1}, "sharpness"),
        ("inpaint", {"mask": "guess"}, "mask"),
        ("inpaint", {"model": "photo"}, "model"),
        ("identity", {"format": "png"}, "format"),
    ],
)
def test_a_wrong_parameter_is_named(operation: str, parameters: Json, field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        parse_parameters(operation, parameters)
    assert [error["loc"] for error in caught.value.errors()] == [(operation, field)]


def test_an_unknown_operation_is_refused() -> None:
    with pytest.raises(ValidationError, match="restyle"):
        parse_parameters("restyle", {})


def test_parameters_do_not_change_once_parsed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        UpscaleParameters().format = "png"  # type: ignore[misc] # what mypy forbids is tried


@pytest.mark.parametrize(
    ("parameters", "needed"),
    [
        (InpaintParameters(), True),
        (InpaintParameters(mask="alpha"), False),
        (UpscaleParameters(), False),
        (IdentityParameters(), False),
    ],
)
def test_only_inpainting_by_file_takes_a_mask_file(parameters: Parameters, *, needed: bool) -> None:
    assert takes_mask_file(parameters) is needed


@pytest.mark.parametrize(
    ("parameters", "source", "has_alpha", "written"),
    [
        (UpscaleParameters(), JPEG, False, JPEG),
        (UpscaleParameters(), PNG, False, PNG),
        (UpscaleParameters(), WEBP, False, PNG),
        (UpscaleParameters(), WEBP, True, PNG),
        (UpscaleParameters(format="webp"), JPEG, False, WEBP),
        (UpscaleParameters(format="jpeg"), PNG, False, JPEG),
        (InpaintParameters(), JPEG, False, PNG),
        (InpaintParameters(mask="alpha"), PNG, True, PNG),
        (InpaintParameters(format="webp"), PNG, True, WEBP),
        (IdentityParameters(), WEBP, True, WEBP),
        (IdentityParameters(), JPEG, False, JPEG),
    ],
)
def test_the_format_of_a_result(
    parameters: Parameters, source: ImageFormat, *, has_alpha: bool, written: ImageFormat
) -> None:
    assert output_format(parameters, source, has_alpha=has_alpha) is written
