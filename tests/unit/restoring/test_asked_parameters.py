"""What the command line asks for becomes the parameters of an operation, or an error in words."""

import pytest

from cli.restoring.asked import WronglyAskedError, parameters_of
from schemas.operations import InpaintParameters, RestoreParameters, UpscaleParameters


def test_options_that_are_not_given_keep_their_defaults() -> None:
    asked = parameters_of("upscale", {"model": None, "factor": 2.5, "format": "webp"}, [])

    assert asked == UpscaleParameters(factor=2.5, format="webp")


def test_pairs_are_read_as_json_where_they_are_json_and_else_as_text() -> None:
    asked = parameters_of("restore", {}, ["strength=2", "model=anime", "subsampling=420"])

    assert isinstance(asked, RestoreParameters)
    assert (asked.strength, asked.model, asked.subsampling) == (2, "anime", "420")


def test_a_list_can_be_given_as_a_parameter() -> None:
    pair = 'shapes=[{"shape":"rectangle","left":1,"top":2,"width":3,"height":4}]'

    asked = parameters_of("inpaint", {}, ["mask=shapes", pair])

    assert isinstance(asked, InpaintParameters)
    assert len(asked.shapes) == 1


@pytest.mark.parametrize(
    ("options", "pairs", "told"),
    [
        ({"factor": 9.0}, [], r"^--scale: .*less than or equal to 8, not 9"),
        ({"factor": 2.0}, ["factor=9"], r"^factor: .*not 9"),
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
    ],
)
def test_what_is_asked_wrongly_is_named(operation: str, pairs: list[str], told: str) -> None:
    with pytest.raises(WronglyAskedError, match=told):
        parameters_of(operation, {}, pairs)
