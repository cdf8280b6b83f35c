"""What the demonstration uploads, and what it takes for a good result."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from cli.demonstration.results import fault_of
from cli.demonstration.samples import FACTORS, Impostor, Sample, samples

SAMPLES = {sample.name: sample for sample in samples()}


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def enlarged(sample: Sample) -> Image.Image:
    return opened(sample.body).resize(sample.expected_size)


def test_eight_photographs_or_more_under_every_preset() -> None:
    photographs = {sample.photograph.file for sample in SAMPLES.values()}

    assert len(photographs - {"logo.png"}) >= 8
    assert {sample.preset for sample in SAMPLES.values()} == set(FACTORS)
    assert len(SAMPLES) == len(samples())


def test_every_run_uploads_the_same_bytes() -> None:
    assert samples() == samples()


def test_pictures_for_the_slow_network_have_sides_of_128_at_most() -> None:
    sides = [
        max(sample.size)
        for sample in SAMPLES.values()
        if sample.preset in {"upscale-photo-x4", "upscale-anime-x4"}
    ]

    assert max(sides) <= 128


def test_one_at_least_is_grey_and_one_has_holes() -> None:
    modes = {name: opened(sample.body).mode for name, sample in SAMPLES.items()}
    torn = np.asarray(opened(SAMPLES["collins-torn"].body))

    assert modes["coins"] == modes["moon-worn"] == "L"
    assert (torn[..., 3] == 0).any()
    assert (torn[..., 3] == 255).any()


@pytest.mark.parametrize("name", ["coffee-worn", "moon-worn", "chelsea-dated"])
def test_a_mask_covers_all_that_was_damaged_and_little_else(name: str) -> None:
    sample = SAMPLES[name]
    assert sample.mask is not None
    mask = np.asarray(opened(sample.mask))

    assert mask.shape == sample.size[::-1]
    assert set(np.unique(mask)) == {0, 255}
    assert 0.005 < (mask == 255).mean() < 0.15


def test_the_impostor_is_no_picture() -> None:
    with pytest.raises(OSError, match="cannot identify"):
        Image.open(io.BytesIO(Impostor().body))


def test_a_result_of_the_right_size_is_good() -> None:
    sample = SAMPLES["chelsea"]

    assert fault_of(sample, png(enlarged(sample))) is None


def test_a_result_that_does_not_open_is_told() -> None:
    assert "does not open" in str(fault_of(SAMPLES["chelsea"], b"\x89PNG"))


def test_a_result_of_another_size_is_told() -> None:
    sample = SAMPLES["chelsea"]

    assert fault_of(sample, sample.body) == "the result is 128×85 pixels instead of 512×340"


def test_a_grey_picture_that_became_coloured_is_told() -> None:
    sample = SAMPLES["coins"]

    assert fault_of(sample, png(enlarged(sample).convert("RGB"))) == (
        "the picture was L, the result is RGB"
    )


def test_a_pixel_changed_outside_the_mask_is_told() -> None:
    sample = SAMPLES["coffee-worn"]
    image = opened(sample.body)
    assert fault_of(sample, png(image)) is None

    # The first pixel is outside the mask.
    image.putpixel((0, 0), (1, 2, 3))

    assert fault_of(sample, png(image)) == "pixels outside the mask have changed"
