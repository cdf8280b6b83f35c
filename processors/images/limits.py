"""What a file may ask of the decoder."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """Bytes of the file, width times height, the longer side, and frames of an animation.

    `aspect` is how many times its shorter side the longer may be: networks and formats are not
    made for threads of pixels. Only the first frame is decoded.
    """

    file_bytes: int = 64 << 20
    pixels: int = 50_000_000
    side: int = 20_000
    frames: int = 200
    aspect: int = 1_000
