"""What a picture's header tells."""

from dataclasses import dataclass

from schemas.operations import ImageFormat


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """A picture's header facts.

    `width` and `height` are pixels as stored, before any EXIF orientation; both are over
    0. `frames_hint` is 1 for a still picture and over 1 for an animation: the number of
    frames for PNG, 2 for WebP, whose header gives none.
    """

    format: ImageFormat
    width: int
    height: int
    has_alpha: bool
    frames_hint: int = 1
