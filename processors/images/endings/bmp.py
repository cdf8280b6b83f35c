"""Whether a BMP without compression has all its rows."""

from typing import Final

from processors.images.headers.facts import ImageHeader

_OS2: Final = 12
_RUNS: Final = (1, 2)


def missing_bytes(data: bytes, header: ImageHeader) -> int:
    """Return how many bytes of rows a BMP lacks; 0 for one in runs, whose decoder counts."""
    if int.from_bytes(data[14:18], "little") == _OS2:
        bits = int.from_bytes(data[24:26], "little")
    else:
        bits = int.from_bytes(data[28:30], "little")
        if int.from_bytes(data[30:34], "little") in _RUNS:
            return 0
    row = -(-header.width * bits // 32) * 4
    start = int.from_bytes(data[10:14], "little")
    return max(0, start + row * header.height - len(data))
