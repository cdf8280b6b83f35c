"""Is a result what was asked for? Looked at as a customer would: by opening the file."""

import io

import numpy as np
from PIL import Image

from cli.demonstration.samples import Sample


def fault_of(sample: Sample, result: bytes) -> str | None:
    """Say in words what is wrong with a sample's result; None when it is as it must be.

    It must open, have the expected size, stay grey or coloured as it was, and, where a mask
    says what to fill, be the same picture everywhere else.
    """
    try:
        with Image.open(io.BytesIO(result)) as after:
            after.load()
    except OSError as error:
        return f"the result does not open: {error}"
    if after.size != sample.expected_size:
        return f"the result is {_by(after.size)} pixels instead of {_by(sample.expected_size)}"
    with Image.open(io.BytesIO(sample.body)) as before:
        before.load()
    if (before.mode == "L") != (after.mode == "L"):
        return f"the picture was {before.mode}, the result is {after.mode}"
    if sample.mask is not None and not _same_outside(before, after, sample.mask):
        return "pixels outside the mask have changed"
    return None


def size_of(picture: bytes) -> tuple[int, int] | None:
    """Return width and height of a picture in pixels, or None when it does not open."""
    try:
        with Image.open(io.BytesIO(picture)) as opened:
            return opened.size
    except OSError:
        return None


def _same_outside(before: Image.Image, after: Image.Image, mask: bytes) -> bool:
    with Image.open(io.BytesIO(mask)) as opened:
        kept = np.asarray(opened) == 0
    return before.mode == after.mode and np.array_equal(
        np.asarray(before)[kept], np.asarray(after)[kept]
    )


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"
