"""Whether a BMP without compression has all its rows."""

from typing import Final

from processors.images.headers.facts import ImageHeader

_OS2: Final = 12
_RUNS: Final = (1, 2)


def in_runs(data: bytes) -> bool:
    """Tell whether a BMP's rows are runs of a colour and stretches of several."""
    os2 = int.from_bytes(data[14:18], "little") == _OS2
    return not os2 and int.from_bytes(data[30:34], "little") in _RUNS


def missing_bytes(data: bytes, header: ImageHeader) -> int:
    """Return how many bytes of rows a BMP lacks; 0 for one in runs, whose decoder counts."""
    if in_runs(data):
        return 0
    os2 = int.from_bytes(data[14:18], "little") == _OS2
    bits = int.from_bytes(data[24:26] if os2 else data[28:30], "little")
    row = -(-header.width * bits // 32) * 4
    start = int.from_bytes(data[10:14], "little")
    return max(0, start + row * header.height - len(data))
