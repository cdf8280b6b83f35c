"""A PNG whose compressed stream ends in good order, with rows missing, is noticed."""

import io
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from processors.images.decode import decode
from processors.images.errors import TruncatedImage, UnreadableImage
from processors.images.limits import DecodeLimits
from processors.images.png_rows import missing_bytes

ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2))


def png(
    width: int, height: int, rows: bytes, *, pieces: int = 1, interlaced: bool = False
) -> bytes:
    """Return an 8-bit RGB PNG with these filtered rows, its stream in several chunks."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        checked = kind + body
        return struct.pack(">I", len(body)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, interlaced)
    stream = zlib.compress(rows)
    step = -(-len(stream) // pieces)
    cut = [stream[at : at + step] for at in range(0, len(stream), step)]
    return b"".join(
        [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", head)]
        + [chunk(b"IDAT", piece) for piece in cut]
        + [chunk(b"IEND", b"")]
    )


def interlaced_bytes(width: int, height: int) -> int:
    """Count the bytes of Adam7 by placing every pixel in its pass, one by one."""
    places: dict[tuple[int, int], int] = {}
    passes = (*ADAM7, (0, 1, 1, 2))
    for y in range(height):
        for x in range(width):
            number = next(
                n
                for n, (left, top, across, down) in enumerate(passes)
                if x % across == left % across and y % down == top % down and x >= left and y >= top
            )
            places[number, y] = places.get((number, y), 0) + 1
    return sum(1 + 3 * count for count in places.values())


@given(
    width=st.integers(1, 20),
    height=st.integers(1, 20),
    pieces=st.integers(1, 4),
    lacking=st.integers(0, 30),
)
def test_what_is_missing_is_counted(width: int, height: int, pieces: int, lacking: int) -> None:
    whole = height * (1 + 3 * width)
    there = max(0, whole - lacking)
    assert missing_bytes(png(width, height, bytes(there), pieces=pieces)) == whole - there


@given(width=st.integers(1, 20), height=st.integers(1, 20))
def test_interlaced_rows_are_counted_by_pass(width: int, height: int) -> None:
    whole = interlaced_bytes(width, height)
    assert missing_bytes(png(width, height, bytes(whole), interlaced=True)) == 0
    assert missing_bytes(png(width, height, bytes(whole - 1), interlaced=True)) == 1


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_what_pillow_writes_lacks_nothing(mode: str) -> None:
    body = io.BytesIO()
    Pillow.new(mode, (37, 11)).save(body, "PNG")
    assert missing_bytes(body.getvalue()) == 0


def test_a_picture_with_too_few_rows_is_truncated() -> None:
    with pytest.raises(TruncatedImage, match="lacks 2037 bytes"):
        decode(png(32, 24, bytes(3 * 97)), DecodeLimits())


def test_a_damaged_stream_is_unreadable() -> None:
    body = bytearray(png(32, 24, bytes(24 * 97)))
    body[50] ^= 0xFF
    with pytest.raises((UnreadableImage, TruncatedImage)):
        decode(bytes(body), DecodeLimits())


def test_rows_beyond_the_picture_are_not_inflated() -> None:
    assert missing_bytes(png(1, 1, bytes(50_000_000))) == 0
