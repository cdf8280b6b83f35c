"""How large pictures may be: what is read, and what the formats of results hold.

The same numbers for admission, which knows a picture's header alone, and for what reads and
writes its pixels: what would be refused there later is refused before anything is held.
"""

from typing import Final

from schemas.operations import ImageFormat, Parameters, enlargement

MAX_FILE_BYTES: Final = 64 << 20
MAX_PIXELS: Final = 50_000_000
MAX_SIDE: Final = 20_000
MAX_ASPECT: Final = 1_000
"""How many times its shorter side the longer may be."""
MAX_FRAMES: Final = 200

MAX_RESULT_PIXELS: Final = 1 << 28

LONGEST_SIDE: Final = {
    ImageFormat.JPEG: 65_500,  # libjpeg's own limit
    ImageFormat.PNG: 2**31 - 1,
    ImageFormat.WEBP: 16_383,  # 14 bits in the format
    ImageFormat.AVIF: 32_768,  # libavif writes longer ones, and then does not read them
    ImageFormat.TIFF: 2**31 - 1,
}
"""The longest side, in pixels, that each written format holds."""

_MOST_PIXELS: Final = {ImageFormat.WEBP: 90_000_000}
_MOST_PIXELS_WITH_ALPHA: Final = {ImageFormat.WEBP: 40_000_000}
"""libwebp works on a picture as a whole, and holds 16 bytes a pixel, or 36 with alpha: 1.4 GB."""


def most_pixels(form: ImageFormat, *, alpha: bool) -> int:
    """Return how many pixels a picture may have to be written in that format."""
    return (_MOST_PIXELS_WITH_ALPHA if alpha else _MOST_PIXELS).get(form, MAX_RESULT_PIXELS)


def against_reading(
    width: int,
    height: int,
    *,
    pixels: int = MAX_PIXELS,
    side: int = MAX_SIDE,
    aspect: int = MAX_ASPECT,
) -> str | None:
    """Return why a picture of that size is not decoded; None where nothing speaks against it."""
    short, long = sorted((width, height))
    if width * height > pixels or long > side:
        return f"{width}x{height} is over {pixels} pixels or {side} a side"
    if long > short * aspect:
        return f"of {width}x{height}, one side is over {aspect} times the other"
    return None


def result_size(parameters: Parameters, width: int, height: int) -> tuple[int, int]:
    """Return the size of what comes of a picture, in pixels."""
    factor = enlargement(parameters)
    return max(1, round(width * factor)), max(1, round(height * factor))


def against_result(
    parameters: Parameters,
    width: int,
    height: int,
    form: ImageFormat | None,
    *,
    alpha: bool = False,
) -> str | None:
    """Return why nothing can come of a picture of that size, as `parameters` ask.

    That is a result of too many pixels, or, where its format is known, of more than that is
    written with, `alpha` or none, or with a side that it does not hold. None where nothing speaks
    against it.
    """
    wide, high = result_size(parameters, width, height)
    made = f"{width}x{height} pixels times {enlargement(parameters):g} a side are {wide}x{high}"
    if wide * high > MAX_RESULT_PIXELS:
        return f"{made}; a result has at most {MAX_RESULT_PIXELS} pixels"
    if form is not None and max(wide, high) > LONGEST_SIDE[form]:
        return f"{made}; {form} holds {LONGEST_SIDE[form]} a side, png and tiff hold more"
    if form is not None and wide * high > (most := most_pixels(form, alpha=alpha)):
        return f"{made}; {form} is written of at most {most} pixels, png and tiff of more"
    return None
