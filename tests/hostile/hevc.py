"""A minimal HEVC encoder: one intra picture of raw samples (PCM coding units), without loss.

For tests that need a HEIC whose pixels are known. ITU-T H.265 (08/2021); the numbers in
comments are its sections.
"""

import re

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.integer]

_CTB = 16
_VPS, _SPS, _PPS, _IDR = 32, 33, 34, 20
# 9.3.4.3.2.2, rangeTabLps of qRangeIdx 3: all that PCM units ever ask for.
_LPS = (
    *(240, 227, 216, 205, 195, 185, 175, 166, 158, 150, 142, 135, 128, 122, 116, 110),
    *(104, 99, 94, 89, 85, 80, 76, 72, 69, 65, 62, 59, 56, 53, 50, 48),
    *(45, 43, 41, 39, 37, 35, 33, 31, 30, 28, 27, 25, 24, 23, 22, 21),
    *(20, 19, 18, 17, 16, 15, 14, 14, 13, 12, 12, 11, 11, 10, 9),
)


class _Bits:
    def __init__(self) -> None:
        self._text = ""

    def u(self, width: int, value: int) -> "_Bits":
        self._text += format(value, f"0{width}b")
        return self

    def ue(self, *values: int) -> "_Bits":
        for value in values:
            digits = format(value + 1, "b")
            self._text += "0" * (len(digits) - 1) + digits
        return self

    def flags(self, *values: int) -> "_Bits":
        self._text += "".join(str(value) for value in values)
        return self

    def ended(self) -> bytes:
        text = self._text + "1"
        text += "0" * (-len(text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big")


def parameter_sets(width: int, height: int, chroma: int, bits: int) -> tuple[bytes, bytes, bytes]:
    """Return the NAL units VPS, SPS and PPS; `chroma` is chroma_format_idc, 0 to 3."""
    level = (
        _Bits().u(2, 0).u(1, 0).u(5, 4).u(32, 1 << 27).flags(1, 0, 0, 1).u(43, 0).u(1, 0).u(8, 180)
    )
    vps = _Bits().u(4, 0).flags(1, 1).u(6, 0).u(3, 0).flags(1).u(16, 0xFFFF)
    vps._text += level._text  # noqa: SLF001 - of its own kind
    vps.flags(1).ue(0, 0, 0).u(6, 0).ue(0).flags(0, 0)
    sps = _Bits().u(4, 0).u(3, 0).flags(1)
    sps._text += level._text  # noqa: SLF001
    sps.ue(0, chroma)
    if chroma == 3:
        sps.flags(0)
    stored = (-(-width // _CTB) * _CTB, -(-height // _CTB) * _CTB)
    across, down = {0: (1, 1), 1: (2, 2), 2: (2, 1), 3: (1, 1)}[chroma]
    sps.ue(*stored).flags(1)
    sps.ue(0, (stored[0] - width) // across, 0, (stored[1] - height) // down)
    sps.ue(bits - 8, bits - 8, 0).flags(1).ue(0, 0, 0)
    sps.ue(1, 0, 0, 2, 0, 0).flags(0, 0, 0, 1)
    sps.u(4, bits - 1).u(4, bits - 1).ue(1, 0).flags(1)
    sps.ue(0).flags(0, 0, 0, 0, 0)
    pps = _Bits().ue(0, 0).flags(0, 0).u(3, 0).flags(0, 0).ue(0, 0, 0).flags(0, 0, 0).ue(0, 0)
    pps.flags(0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0).ue(0).flags(0, 0)
    return _nal(_VPS, vps.ended()), _nal(_SPS, sps.ended()), _nal(_PPS, pps.ended())


def picture(planes: list[Plane], chroma: int, bits: int) -> bytes:
    """Return the NAL unit of the one slice: planes Y (Cb, Cr), as wide as `chroma` says."""
    across, down = {0: (1, 1), 1: (2, 2), 2: (2, 1), 3: (1, 1)}[chroma]
    head = _Bits().flags(1, 0).ue(0, 2, 0).ended()  # ue 0 is se 0, slice_qp_delta
    blocks = [_blocks(planes[0], _CTB, _CTB)]
    blocks += [_blocks(plane, _CTB // down, _CTB // across) for plane in planes[1:]]
    samples = np.concatenate(blocks, axis=1)
    if bits == 8:
        packed = samples.astype(np.uint8)
    else:
        each = (samples[..., np.newaxis] >> np.arange(bits - 1, -1, -1)) & 1
        packed = np.packbits(each.reshape(len(samples), -1).astype(np.uint8), axis=1)
    body = bytearray()
    for number, block in enumerate(packed):
        # 9.3.4.5: part_mode and pcm_flag leave the coder's low end at `low`, which is all
        # that is written before it is flushed; end_of_slice_segment_flag 0 took 2 before.
        interval = 510 if number == 0 else 508
        low = interval - _LPS[min(number, 62)] - 2
        body += ((low | 1) << 7).to_bytes(2, "big") + block.tobytes()
    body += (509 << 7).to_bytes(2, "big")
    return _nal(_IDR, head + bytes(body))


def _blocks(plane: Plane, height: int, width: int) -> npt.NDArray[np.uint16]:
    rows, columns = plane.shape
    padded = np.pad(plane, ((0, -rows % height), (0, -columns % width)), mode="edge")
    grid = padded.reshape(padded.shape[0] // height, height, -1, width)
    return grid.swapaxes(1, 2).reshape(-1, height * width).astype(np.uint16)


def _nal(kind: int, payload: bytes) -> bytes:
    # 7.3.1.1: a 3 goes between two zeros and what could look like a start code.
    return bytes([kind << 1, 1]) + re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", payload)
