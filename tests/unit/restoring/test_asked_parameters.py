"""What the command line asks for becomes the parameters of an operation, or an error in words."""

import pytest

from cli.restoring.asked import WronglyAskedError, parameters_of
from schemas.operations import InpaintParameters, RestoreParameters, UpscaleParameters

RECTANGLE = '[{"shape":"rectangle","left":1,"top":2,"width":3,"height":4}]'


def test_options_that_are_not_given_keep_their_defaults() -> None:
    asked = parameters_of("upscale", {"model": None, "factor": 2.5, "format": "webp"}, [])

    assert asked == UpscaleParameters(factor=2.5, format="webp")


def test_pairs_are_read_as_json_where_they_are_json_and_else_as_text() -> None:
    asked = parameters_of("restore", {}, ["strength=2", "model=anime", "subsampling=420"])

    assert isinstance(asked, RestoreParameters)
    assert (asked.strength, asked.model, asked.subsampling) == (2, "anime", "420")


def test_a_list_can_be_given_as_a_parameter() -> None:
    asked = parameters_of("inpaint", {}, ["mask=shapes", "shapes=" + RECTANGLE])

    assert isinstance(asked, InpaintParameters)
    assert len(asked.shapes) == 1


@pytest.mark.parametrize(
    ("options", "pairs", "told"),
    [
        ({"factor": 9.0}, [], r"^--scale: .*less than or equal to 8, not 9"),
        ({}, ["factor=9"], r"^factor: .*not 9"),
        ({"factor": 9.0}, ["factor=9"], r"^--scale: .*not 9"),
        ({"strength": "1"}, [], r"^upscale takes no --strength; it takes factor, format"),
    ],
)
def test_what_is_wrong_is_named_as_it_was_asked_for(
    options: dict[str, object], pairs: list[str], told: str
) -> None:
    with pytest.raises(WronglyAskedError, match=told):
        parameters_of("upscale", options, pairs)


@pytest.mark.parametrize(
    ("operation", "pairs", "told"),
    [
        ("sharpen", [], r"no operation 'sharpen'; there are upscale, restore"),
        ("identity", [], r"no operation 'identity'"),
        ("upscale", ["factor=9"], r"factor: .*less than or equal to 8, not 9"),
        ("upscale", ["strength=1"], r"upscale takes no strength; it takes factor, format"),
        ("upscale", ["factor"], r"--param takes name=value, not 'factor'"),
        ("upscale", ["=2"], r"--param takes name=value"),
        ("tone", ["levels=2", "contrast=-1"], r"(?s)levels: .*contrast: "),
        ("inpaint", ["shapes=" + RECTANGLE], r"only with --param mask=shapes"),
    ],
)
def test_what_is_asked_wrongly_is_named(operation: str, pairs: list[str], told: str) -> None:
    with pytest.raises(WronglyAskedError, match=told):
        parameters_of(operation, {}, pairs)


@pytest.mark.parametrize(
    ("options", "pairs", "told"),
    [
        ({"factor": 2.0}, ["factor=3"], "--scale and --param factor=3"),
        ({"model": "fast"}, ["model=photo"], "--model and --param model=photo"),
        ({"format": "webp"}, ["format=png"], "--format and --param format=png"),
        ({"metadata": "keep"}, ["metadata=drop"], "--keep-metadata and --param metadata=drop"),
        ({}, ["factor=2", "factor=3"], "--param factor=2 and --param factor=3"),
        ({}, ["operation=tone"], "--operation and --param operation=tone"),
    ],
)
def test_what_is_asked_twice_and_differently_is_named_twice(
    options: dict[str, object], pairs: list[str], told: str
) -> None:
    with pytest.raises(WronglyAskedError, match=f"^{told} cannot both hold"):
        parameters_of("upscale", options, pairs)


def test_what_is_asked_twice_alike_is_asked_once() -> None:
    twice = parameters_of(
        "restore", {"strength": "2", "format": "png"}, ["strength=2", "format=png", "strength=2"]
    )

    assert twice == RestoreParameters(strength=2, format="png")
    assert parameters_of("upscale", {"factor": 2.0}, ["factor=2"]) == UpscaleParameters(factor=2)
