"""What a picture's header tells."""

from dataclasses import dataclass

from schemas.operations import ImageFormat


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """A picture's header facts.

    `width` and `height` are pixels as stored, before any orientation; both are over 0.
    `frames_hint` is 1 for a still picture and over 1 for an animation or several pages: the
    number of frames for PNG, 2 for formats whose headers give none. `depth` is bits a channel
    where the header tells it, else 8. `quarter_turned` says that the format itself, not EXIF,
    has the picture turned so that width and height change places. `monochrome` is told of an AVIF:
    beside alpha, Pillow gives its grey as three channels.
    """

    format: ImageFormat
    width: int
    height: int
    has_alpha: bool
    frames_hint: int = 1
    depth: int = 8
    quarter_turned: bool = False
    monochrome: bool = False
