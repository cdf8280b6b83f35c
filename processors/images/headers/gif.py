"""GIF: CompuServe's specification, version 89a. What precedes the first image tells enough."""

from typing import Final

from processors.images.errors import UnreadableImage
from processors.images.headers.facts import ImageHeader
from processors.images.headers.window import BudgetSpent, Window
from schemas.operations import ImageFormat

SIGNATURES: Final = (b"GIF87a", b"GIF89a")

_SCREEN: Final = 13
_IMAGE, _EXTENSION, _TRAILER = 0x2C, 0x21, 0x3B
_CONTROL, _APPLICATION = 0xF9, 0xFF
_LOOPS: Final = (b"NETSCAPE2.0", b"ANIMEXTS1.0")


def read_gif(window: Window) -> ImageHeader:
    """Return the facts of a GIF.

    The size is the screen's, or the first image's where that reaches beyond. An animation is
    known by its loop, which stands first; one that plays once counts as still here. Raises
    `UnreadableImage` or `TruncatedImage`.
    """
    screen = window.read(0, _SCREEN)
    width, height = _number(screen, 6), _number(screen, 8)
    at = _SCREEN + table_bytes(screen[10])
    transparent, frames = False, 1
    try:
        while True:
            kind = window.read(at, 1)[0]
            if kind == _IMAGE:
                image = window.read(at + 1, 8)
                width = max(width, _number(image, 0) + _number(image, 4))
                height = max(height, _number(image, 2) + _number(image, 6))
                break
            if kind != _EXTENSION:
                what = "the end" if kind == _TRAILER else f"byte {kind:#x}"
                raise UnreadableImage(f"a GIF with {what} where its first image should be")
            label = window.read(at + 1, 1)[0]
            if label == _CONTROL and window.read(at + 2, 1)[0]:
                transparent = bool(window.read(at + 3, 1)[0] & 1)
            if label == _APPLICATION and window.read(at + 2, 12)[1:] in _LOOPS:
                frames = 2
            at = _after_blocks(window, at + 2)
    except BudgetSpent as error:
        raise UnreadableImage(f"too much before the GIF's first image: {error}") from error
    if not width or not height:
        raise UnreadableImage(f"a GIF of {width} by {height} pixels")
    return ImageHeader(ImageFormat.GIF, width, height, transparent, frames_hint=frames)


def table_bytes(flags: int) -> int:
    """Return the bytes of the colour table that these flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_blocks(window: Window, at: int) -> int:
    while length := window.read(at, 1)[0]:
        at += 1 + length
    return at + 1


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little")
