"""What a file may ask of the decoder."""

from dataclasses import dataclass

from processors.images.errors import ImageTooLarge
from processors.images.headers.facts import ImageHeader


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

    def check(self, header: ImageHeader) -> None:
        """Raise `ImageTooLarge` for a picture whose header tells more than these allow."""
        width, height = header.width, header.height
        short, long = sorted((width, height))
        if width * height > self.pixels or long > self.side:
            raise ImageTooLarge(
                f"{width}x{height} is over {self.pixels} pixels or {self.side} a side"
            )
        if long > short * self.aspect:
            raise ImageTooLarge(
                f"of {width}x{height}, one side is over {self.aspect} times the other"
            )
