"""EXIF that may be kept: camera, exposure, time and author, written anew from a list of tags.

What is not listed is not copied: places, serial numbers, makers' notes, thumbnails, orientation.
Tags and types: EXIF 2.32 (CIPA DC-008-2019), sections 4.6.2 to 4.6.5.
"""

import struct
from dataclasses import dataclass
from typing import Final

from processors.images.errors import ImageRefused
from processors.images.headers.tiff import (
    SIGNATURES,
    ByteOrder,
    Entry,
    byte_order,
    read_directory,
)
from processors.images.headers.window import Held

_TEXT, _SHORT, _LONG, _FRACTION, _ANY, _SIGNED = 2, 3, 4, 5, 7, 10
_WIDTHS: Final = {_TEXT: 1, _SHORT: 2, _LONG: 4, _FRACTION: 8, _ANY: 1, _SIGNED: 8}
_UNITS: Final = {_TEXT: 1, _SHORT: 2, _LONG: 4, _FRACTION: 4, _ANY: 1, _SIGNED: 4}
_INLINE: Final = 4
_LONGEST: Final = 8_000
"""Bytes of one value; a longer one is left out."""
_HEADER: Final = 8
_EXIF_DIRECTORY: Final = 0x8769
_PREFIX: Final = b"Exif\0\0"

_DESCRIBED: Final = frozenset(
    {
        0x010E,  # ImageDescription
        0x010F,  # Make
        0x0110,  # Model
        0x0131,  # Software
        0x0132,  # DateTime
        0x013B,  # Artist
        0x8298,  # Copyright
    }
)
_EXPOSED: Final = frozenset(
    {
        0x829A,  # ExposureTime
        0x829D,  # FNumber
        0x8822,  # ExposureProgram
        0x8827,  # PhotographicSensitivity
        0x8830,  # SensitivityType
        0x8832,  # RecommendedExposureIndex
        0x9000,  # ExifVersion
        0x9003,  # DateTimeOriginal
        0x9004,  # DateTimeDigitized
        *range(0x9010, 0x9013),  # OffsetTime, …Original, …Digitized
        *range(0x9201, 0x9206),  # ShutterSpeed, Aperture, Brightness, ExposureBias, MaxAperture
        *range(0x9207, 0x920B),  # MeteringMode, LightSource, Flash, FocalLength
        *range(0x9290, 0x9293),  # SubSecTime, …Original, …Digitized
        *range(0xA402, 0xA407),  # ExposureMode, WhiteBalance, DigitalZoom, Focal35mm, SceneType
        *range(0xA432, 0xA435),  # LensSpecification, LensMake, LensModel
    }
)


def exif_block(exif: object) -> bytes | None:
    """Return the EXIF that a library tells of a picture, as a TIFF block, uncleaned."""
    return exif.removeprefix(_PREFIX) if isinstance(exif, bytes) and exif else None


class DamagedMetadata(Exception):  # noqa: N818 (a fact about the file, not about the picture)
    """The block is no EXIF that can be read."""


@dataclass(frozen=True, slots=True)
class _Field:
    tag: int
    kind: int
    count: int
    data: bytes


def kept(block: bytes) -> bytes | None:
    """Return what may be kept of a TIFF block of EXIF, or of a whole TIFF file.

    It is a little-endian TIFF block of at most two directories, under 64 kB; None where nothing
    is to be kept. Raises `DamagedMetadata`.
    """
    if not block.startswith(SIGNATURES):
        raise DamagedMetadata(f"no EXIF begins with {block[:4].hex(' ')}")
    order, held = byte_order(block), Held(block)
    try:
        first = int.from_bytes(held.read(4, 4), order)
        fields, following = read_directory(held, first, order)
        described = _copied(held, fields, order, _DESCRIBED)
        exposed: list[_Field] = []
        if _EXIF_DIRECTORY in fields:
            second = int.from_bytes(held.read(fields[_EXIF_DIRECTORY].beside, 4), order)
            if first in {second, following}:
                raise DamagedMetadata("a directory of the EXIF leads to itself")
            exposed = _copied(held, read_directory(held, second, order)[0], order, _EXPOSED)
    except ImageRefused as error:
        raise DamagedMetadata(f"the EXIF cannot be read: {error}") from error
    return _written(described, exposed) if described or exposed else None


def _copied(
    held: Held, fields: dict[int, Entry], order: ByteOrder, tags: frozenset[int]
) -> list[_Field]:
    """Return the listed fields of known types, their values little-endian."""
    copies = []
    for tag in sorted(tags & fields.keys()):
        entry = fields[tag]
        width = _WIDTHS.get(entry.kind, 0) * entry.count
        if not 0 < width <= _LONGEST:
            continue
        data = held.read(entry.place(width), width)
        if order == "big":
            unit = _UNITS[entry.kind]
            data = b"".join(data[at : at + unit][::-1] for at in range(0, width, unit))
        copies.append(_Field(tag, entry.kind, entry.count, data))
    return copies


def _written(described: list[_Field], exposed: list[_Field]) -> bytes:
    head = b"II*\0" + struct.pack("<I", _HEADER)
    if not exposed:
        return head + _directory(described, _HEADER)
    # The pointer takes the same room whatever it says.
    pointer = _Field(_EXIF_DIRECTORY, _LONG, 1, bytes(4))
    at = _HEADER + len(_directory([*described, pointer], _HEADER))
    pointer = _Field(_EXIF_DIRECTORY, _LONG, 1, struct.pack("<I", at))
    return head + _directory([*described, pointer], _HEADER) + _directory(exposed, at)


def _directory(fields: list[_Field], at: int) -> bytes:
    table, behind = b"", b""
    start = at + 2 + 12 * len(fields) + 4
    for one in sorted(fields, key=lambda one: one.tag):
        value = one.data.ljust(_INLINE, b"\0")
        if len(one.data) > _INLINE:
            value = struct.pack("<I", start + len(behind))
            behind += one.data + bytes(len(one.data) % 2)
        table += struct.pack("<HHI", one.tag, one.kind, one.count) + value
    return struct.pack("<H", len(fields)) + table + bytes(4) + behind
