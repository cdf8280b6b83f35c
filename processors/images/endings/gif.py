"""A GIF's images, counted up to its trailer: CompuServe's specification, version 89a."""

from typing import Final

from processors.images.errors import TruncatedImage, UnreadableImage
from processors.images.headers.gif import table_bytes

_SCREEN: Final = 13
_DESCRIPTOR: Final = 10


def images(data: bytes, *, most: int) -> int:
    """Return how many images a GIF has, counting to one more than `most`.

    Raises `TruncatedImage` where it ends before its trailer, `UnreadableImage` for what is no
    block.
    """
    at, count = _SCREEN + table_bytes(data[10]), 0
    while at < len(data):
        match data[at]:
            case 0x3B:
                return count
            case 0x2C:
                count += 1
                if count > most:
                    return count
                if at + _DESCRIPTOR > len(data):
                    break
                at += _DESCRIPTOR + table_bytes(data[at + 9])
                at = _after_blocks(data, at + 1)
            case 0x21:
                at = _after_blocks(data, at + 2)
            case 0x00:
                at += 1
            case other:
                raise UnreadableImage(f"no GIF block begins with {other:#x}, at byte {at}")
    raise TruncatedImage("the GIF file has no end")


def _after_blocks(data: bytes, at: int) -> int:
    size = len(data)
    while at < size and data[at]:
        at += 1 + data[at]
    return at + 1
