"""Where a JPEG ends: ITU-T T.81, annex B.

A thumbnail in the metadata has an end of its own, so that looking for the marker alone would find
that one in a file that is cut off.
"""

import re
from typing import Final

from processors.images.errors import UnreadableImage

_SCAN, _END = 0xDA, 0xD9
_ALONE: Final = frozenset({0x00, 0x01, 0xFF, *range(0xD0, 0xD8)})
# Within a scan, FF00 is a byte FF, and FFD0 to FFD7 restart the coder.
_AFTER_SCAN: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


MOST_SCANS: Final = 100
"""Each goes through the whole picture again: a thousand of 100 bytes are 14 s for 50 megapixels.
Encoders write ten or so."""

_MOST_MARKERS: Final = 100_000


def ends(data: bytes) -> bool:
    """Tell whether a JPEG reaches its end-of-image marker.

    Raises `UnreadableImage` for one of over `MOST_SCANS` scans, or of markers and little else.
    """
    at, scans = 2, 0
    for _ in range(_MOST_MARKERS):
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            return False
        marker = data[at + 1]
        if marker == _END:
            return True
        if marker in _ALONE:
            at += 1
            continue
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
        if marker == _SCAN:
            scans += 1
            if scans > MOST_SCANS:
                raise UnreadableImage(f"a JPEG of over {MOST_SCANS} scans")
            found = _AFTER_SCAN.search(data, at)
            if found is None:
                return False
            at = found.start()
    raise UnreadableImage(f"over {_MOST_MARKERS} markers in a JPEG")
