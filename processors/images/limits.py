"""What a file may ask of the decoder."""

from dataclasses import dataclass

from processors.images.errors import ImageTooLarge
from processors.images.headers.facts import ImageHeader
from schemas.sizes import (
    MAX_ASPECT,
    MAX_FILE_BYTES,
    MAX_FRAMES,
    MAX_PIXELS,
    MAX_SIDE,
    against_reading,
)


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """Bytes of the file, width times height, the longer side, and frames of an animation.

    `aspect` is how many times its shorter side the longer may be: networks and formats are not
    made for threads of pixels. Only the first frame is decoded.
    """

    file_bytes: int = MAX_FILE_BYTES
    pixels: int = MAX_PIXELS
    side: int = MAX_SIDE
    frames: int = MAX_FRAMES
    aspect: int = MAX_ASPECT

    def check(self, header: ImageHeader) -> None:
        """Raise `ImageTooLarge` for a picture whose header tells more than these allow."""
        refused = against_reading(
            header.width, header.height, pixels=self.pixels, side=self.side, aspect=self.aspect
        )
        if refused is not None:
            raise ImageTooLarge(refused)
