"""Hostile and odd files, the same ones from the same seed, and what each must come to."""

import gzip
import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from schemas.errors import ErrorCode
from schemas.warnings import Warned
from tests.hostile import heif


@dataclass(frozen=True, slots=True)
class Odd:
    """A file; `code` is its error's, None where it must give a picture with `warned`."""

    name: str
    data: bytes
    code: ErrorCode | None = None
    warned: frozenset[Warned] | None = frozenset()


TRUNCATED = ErrorCode.TRUNCATED_IMAGE
UNREADABLE = ErrorCode.UNREADABLE_IMAGE
UNSUPPORTED = ErrorCode.UNSUPPORTED_FORMAT
TOO_LARGE = ErrorCode.IMAGE_TOO_LARGE

_FIRST = frozenset({Warned.FIRST_FRAME_ONLY})
_DEEP = frozenset({Warned.DEPTH_REDUCED})
_BAD_EXIF = frozenset({Warned.METADATA_DAMAGED})
_BAD_ICC = frozenset({Warned.PROFILE_UNUSABLE})
_NO_ICC = frozenset({Warned.PROFILE_MISSING})
_APP = b"\xff\xe1\xff\xff" + bytes(65_533)
_SIDE = 48


def saved(picture: Image.Image, form: str, **options: object) -> bytes:
    """Return a picture as a file of Pillow's."""
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def png(width: int, height: int, depth: int, kind: int, rows: bytes, *extra: bytes) -> bytes:
    """Return a PNG with these filtered rows, whatever its header says."""
    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", head),
            *extra,
            chunk(b"IDAT", zlib.compress(rows)),
            chunk(b"IEND", b""),
        ]
    )


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a PNG chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def photograph(seed: int) -> npt.NDArray[np.uint8]:
    """Return a small RGB picture with smooth parts and noise."""
    rng = np.random.default_rng(seed)
    slope = np.add.outer(np.arange(_SIDE), np.arange(_SIDE))[..., np.newaxis]
    noise = rng.integers(0, 40, (_SIDE, _SIDE, 3))
    return np.asarray((slope * np.array([2, 1, 2]) + noise) % 256, dtype=np.uint8)


def files(seed: int = 6) -> list[Odd]:
    """Return all of them, over sixty, each name once."""
    rgb = photograph(seed)
    return [
        *_whole(rgb),
        *_cut(whole_files(rgb)),
        *_bombs(),
        *_impostors(rgb),
        *_odd_colours(rgb, np.random.default_rng(seed)),
        *_animated(rgb),
        *_odd_metadata(rgb),
        *_broken(rgb),
    ]


def whole_files(rgb: npt.NDArray[np.uint8]) -> dict[str, bytes]:
    """Return one good file of every format."""
    picture = Image.fromarray(rgb)
    parts = heif.grid(rgb.astype(int), 16)
    return {
        "jpeg": saved(picture, "JPEG"),
        "progressive": saved(picture, "JPEG", progressive=True),
        "png": saved(picture, "PNG"),
        "webp": saved(picture, "WEBP"),
        "avif": saved(picture, "AVIF", speed=10),
        "gif": saved(picture, "GIF"),
        "bmp": saved(picture, "BMP"),
        "tiff": saved(picture, "TIFF"),
        "tiff-lzw": saved(picture, "TIFF", compression="tiff_lzw"),
        "tiff-jpeg": saved(picture, "TIFF", compression="jpeg"),
        "heic": heif.file_of([heif.coded(rgb.astype(int))]),
        "heic-grid": heif.file_of(parts, primary=len(parts)),
    }


def _whole(rgb: npt.NDArray[np.uint8]) -> Iterator[Odd]:
    for name, data in whole_files(rgb).items():
        yield Odd(f"{name}, whole", data)
        yield Odd(f"{name}, with a page of HTML behind it", data + b"<html>hello</html>" * 9)


def _cut(whole: dict[str, bytes]) -> Iterator[Odd]:
    for name, data in whole.items():
        for share in (20, 60, 95):
            yield Odd(f"{name}, cut at {share} %", data[: len(data) * share // 100], TRUNCATED)
    jpeg, late = whole["progressive"], whole["progressive"].rindex(b"\xff\xda")
    yield Odd("progressive, cut before its last scan", jpeg[:late], TRUNCATED)
    thumbnail = b"\xff\xe1" + struct.pack(">H", 2 + len(whole["jpeg"])) + whole["jpeg"]
    with_end_inside = jpeg[:2] + thumbnail + jpeg[2:]
    cut = with_end_inside[: late + len(thumbnail)]
    yield Odd("progressive with a thumbnail, cut before its last scan", cut, TRUNCATED)
    yield Odd("jpeg, without its last two bytes", whole["jpeg"][:-2], TRUNCATED)
    yield Odd("gif, without its trailer", whole["gif"][:-1], TRUNCATED)
    yield Odd("png, without IEND", whole["png"][:-12], TRUNCATED)


def _bombs() -> Iterator[Odd]:
    yield Odd("png of 60000 x 60000", png(60_000, 60_000, 8, 2, bytes(99)), TOO_LARGE)
    yield Odd("png of 15000 x 15000", png(15_000, 15_000, 1, 0, bytes(15_000 * 1876)), TOO_LARGE)
    yield Odd("png of 1 x 2000", png(1, 2_000, 8, 0, bytes(4_000)), TOO_LARGE)
    yield Odd("png of 1 x 1000", png(1, 1_000, 8, 0, bytes(2_000)))
    yield Odd("png of 999 x 1", png(999, 1, 8, 0, bytes(1_000)))
    yield Odd("png of 1 x 1", png(1, 1, 8, 0, bytes(2)))
    yield Odd("png of 0 x 5", png(0, 5, 8, 0, bytes(5)), UNREADABLE)
    yield Odd("png with rows for 5000 pixels more", png(9, 9, 8, 0, bytes(5_090)))
    yield Odd("png that lacks its rows", png(900, 900, 8, 2, bytes(2_701 * 4)), TRUNCATED)
    text = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(30 << 20)))
    yield Odd("png with 30 MB of text", png(9, 9, 8, 0, bytes(90), text), UNREADABLE)
    jpeg = bytearray(saved(Image.new("L", (8, 8)), "JPEG"))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = b"\xff\xff\xff\xff"
    yield Odd("jpeg of 65535 x 65535", bytes(jpeg), TOO_LARGE)
    jpeg[at + 5 : at + 9] = b"\0\0\0\x08"
    yield Odd("jpeg of 8 x 0", bytes(jpeg), UNREADABLE)
    yield from _slow()
    gif = bytearray(saved(Image.new("L", (8, 8)), "GIF"))
    gif[6:10] = b"\xff\xff\xff\xff"
    yield Odd("gif of 65535 x 65535", bytes(gif), TOO_LARGE)
    bmp = bytearray(saved(Image.new("L", (8, 8)), "BMP"))
    bmp[18:26] = struct.pack("<ii", -8, 8)
    yield Odd("bmp of -8 x 8", bytes(bmp), UNREADABLE)
    bmp[18:26] = struct.pack("<ii", 7_000, 7_000)
    yield Odd("bmp of 7000 x 7000 without rows", bytes(bmp), TRUNCATED)
    frames = [Image.new("L", (4, 4), n) for n in range(205)]
    many = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    yield Odd("gif of 205 frames", many, ErrorCode.TOO_MANY_FRAMES)
    pages = saved(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    yield Odd("tiff of 205 pages", pages, ErrorCode.TOO_MANY_FRAMES)


def _slow() -> Iterator[Odd]:
    """Yield files that cost a decoder much more than their bytes and pixels tell."""
    scans = saved(Image.new("L", (4_000, 4_000)), "JPEG", progressive=True)
    again = scans[scans.rfind(b"\xff\xc4", 0, scans.rindex(b"\xff\xda")) : -2]
    yield Odd("jpeg of 2000 scans", scans[:-2] + again * 2_000 + scans[-2:], UNREADABLE)
    jpeg = saved(Image.new("L", (8, 8)), "JPEG")
    late = jpeg.index(b"\xff\xda")
    crumbs = jpeg[:late] + b"\xff\xfe\0\2" * 1_000_000 + jpeg[late:]
    yield Odd("jpeg with a million comments behind its size", crumbs, UNREADABLE)
    side = 3_000
    head = struct.pack("<IHHIIiiHHIIiiII", 0, 0, 0, 1078, 40, side, side, 1, 8, 1, 0, 0, 0, 0, 0)
    row = bytes([1, 7]) * side + b"\0\0"
    runs = b"BM" + head + bytes(range(256)) * 4 + row * side + b"\0\1"
    yield Odd("bmp of nine million runs", runs)


def _impostors(rgb: npt.NDArray[np.uint8]) -> Iterator[Odd]:
    picture = Image.fromarray(rgb)
    pdf = b"%PDF-1.7\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"
    yield Odd("nothing", b"", ErrorCode.EMPTY_OBJECT)
    yield Odd("one byte", b"\xff", UNREADABLE)
    yield Odd("text", b"I am a picture, truly.\n" * 40, UNREADABLE)
    yield Odd("zeros", bytes(5_000), UNREADABLE)
    yield Odd("svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", UNSUPPORTED)
    yield Odd("svg behind a declaration", b"<?xml version='1.0'?>\n<svg/>", UNSUPPORTED)
    yield Odd("html", b"<!doctype html><img src=x onerror=alert(1)>", UNREADABLE)
    yield Odd("pdf", pdf, UNSUPPORTED)
    yield Odd("pdf with a jpeg behind it", pdf + saved(picture, "JPEG"), UNSUPPORTED)
    yield Odd("zip", b"PK\x03\x04" + bytes(60), UNSUPPORTED)
    yield Odd("icon", saved(picture, "ICO"), UNSUPPORTED)
    yield Odd("bigtiff", b"II+\0\x08\0\0\0" + bytes(40), UNSUPPORTED)
    yield Odd("jpeg 2000", saved(picture, "JPEG2000"), UNSUPPORTED)
    yield Odd("postscript", b"%!PS-Adobe-3.0 EPSF-3.0\n" + bytes(99), UNREADABLE)
    yield Odd("jpeg that is a zip too", saved(picture, "JPEG") + b"PK\x03\x04" + bytes(99))
    comment = b"%PDF-1.7 <html><script>alert(1)</script> <svg/>"
    yield Odd("jpeg that is a pdf and a page, too", saved(picture, "JPEG", comment=comment))
    gif = saved(picture, "GIF")
    yield Odd("gif that is a program, too", gif[:6] + b"/*" + gif[8:] + b"*/=1;alert(1)")
    yield Odd("png with an archive behind it", saved(picture, "PNG") + b"PK\x03\x04" + bytes(99))
    svg = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
    yield Odd("svg, compressed", gzip.compress(svg, mtime=0), UNREADABLE)
    yield Odd("svg behind a comment", b"<!-- a picture -->" + svg, UNSUPPORTED)
    yield Odd("pdf behind a line of text", b"\n" + pdf, UNREADABLE)
    heic = heif.file_of([heif.coded(rgb.astype(int))])
    yield Odd("hevc in a file that says avif", heic.replace(b"heic", b"avif"), UNREADABLE)
    avif = saved(picture, "AVIF", speed=10)
    says_heic = avif[:8] + b"heic" + avif[12:24].replace(b"avif", b"heic") + avif[24:]
    yield Odd("av1 in a file that says heic", says_heic.replace(b"avif", b"heic"), UNREADABLE)
    yield Odd("a film", struct.pack(">I", 24) + b"ftypisom" + bytes(60), UNSUPPORTED)


def _odd_colours(rgb: npt.NDArray[np.uint8], rng: np.random.Generator) -> Iterator[Odd]:
    picture = Image.fromarray(rgb)
    deep = rng.integers(0, 65536, (9, 7, 4), dtype=np.uint16)
    for kind, channels in ((0, 1), (4, 2), (2, 3), (6, 4)):
        rows = b"".join(b"\0" + row[:, :channels].astype(">u2").tobytes() for row in deep)
        yield Odd(f"png of 16 bits, {channels} channels", png(7, 9, 16, kind, rows), None, _DEEP)
    grey = Image.fromarray(deep[..., 0])
    yield Odd("tiff of 16 bits", saved(grey, "TIFF"), None, _DEEP)
    yield Odd("tiff of floats", saved(Image.new("F", (9, 9)), "TIFF"), UNSUPPORTED)
    yield Odd("tiff of integers", saved(Image.new("I", (9, 9)), "TIFF"), UNSUPPORTED)
    ten = heif.coded(rng.integers(0, 1024, (20, 30, 3)), 10)
    yield Odd("heic of 10 bits", heif.file_of([ten]), None, _DEEP)
    for mode in ("1", "LA", "P", "RGBA", "CMYK", "LAB"):
        warned = _NO_ICC if mode == "CMYK" else frozenset[Warned]()
        other = picture.convert("RGBA" if mode == "LA" else mode if mode != "LAB" else "RGB")
        other = in_lab(other) if mode == "LAB" else other.convert(mode)
        yield Odd(f"tiff in {mode}", saved(other, "TIFF"), None, warned)
    yield Odd("jpeg in CMYK", saved(picture.convert("CMYK"), "JPEG"), None, _NO_ICC)
    palette = picture.convert("P")
    yield Odd("png with a transparent palette", saved(palette, "PNG", transparency=bytes(64)))
    yield Odd("gif with a transparent colour", saved(palette, "GIF", transparency=3))
    yield Odd("bmp of two colours", saved(picture.convert("1"), "BMP"))


def in_lab(picture: Image.Image) -> Image.Image:
    """Return a picture in CIELAB."""
    made = ImageCms.profileToProfile(
        picture,
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")),
        outputMode="LAB",
    )
    assert made is not None
    made.info.clear()  # a profile that tells when it was made
    return made


def _animated(rgb: npt.NDArray[np.uint8]) -> Iterator[Odd]:
    frames = [Image.fromarray(rgb), Image.fromarray(255 - rgb)]
    for form in ("GIF", "PNG", "WEBP", "AVIF", "TIFF", "MPO"):
        data = saved(frames[0], form, save_all=True, append_images=frames[1:])
        yield Odd(f"two pictures in one {form.lower()}", data, None, _FIRST)
    whole = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    yield Odd("gif, cut in its second frame", whole[:-300], TRUNCATED)
    turned = heif.coded(rgb.astype(int))
    turned.properties += [heif.turned(1), heif.mirrored(1)]
    yield Odd("heic, turned and mirrored", heif.file_of([turned]))
    two = [heif.coded(rgb.astype(int)), heif.coded(255 - rgb.astype(int))]
    yield Odd("heic of two pictures", heif.file_of(two), None, _FIRST)


def exif_block(*entries: tuple[int, int, int, bytes], following: int = 0) -> bytes:
    """Return a little-endian TIFF block of one directory; values are four bytes each."""
    rows = b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in entries)
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries))
    return head + rows + struct.pack("<I", following)


def _odd_metadata(rgb: npt.NDArray[np.uint8]) -> Iterator[Odd]:
    picture = Image.fromarray(rgb)
    blocks = {
        "cyclic": exif_block((0x8769, 4, 1, struct.pack("<I", 8))),
        "pointing beyond its end": exif_block((0x010F, 2, 400, struct.pack("<I", 9_999))),
        "of 60000 fields": b"II*\0\x08\0\0\0\x60\xea" + bytes(50),
        "of three bytes": b"II*",
    }
    for name, block in blocks.items():
        for form in ("JPEG", "PNG", "WEBP"):
            data = saved(picture, form, exif=b"Exif\0\0" + block)
            yield Odd(f"{form.lower()} with EXIF {name}", data, None, _BAD_EXIF)
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = made[:24] + bytes(12) + made[36:]  # without the time it was made
    yield Odd("png with a profile", saved(picture, "PNG", icc_profile=profile))
    grey = saved(picture.convert("L"), "PNG", icc_profile=profile)
    yield Odd("grey png with a profile of colours", grey, None, _BAD_ICC)
    broken = profile[:100] + bytes(len(profile) - 100)
    yield Odd(
        "jpeg with half a profile", saved(picture, "JPEG", icc_profile=broken), None, _BAD_ICC
    )
    huge = profile + bytes(6 << 20)
    large = saved(picture, "JPEG", icc_profile=huge)
    yield Odd("jpeg with a profile of 6 MB", large, None, _BAD_ICC)
    whole = saved(picture, "JPEG")
    crumbs = whole[:2] + b"\xff\xfe\0\2" * 500_000 + whole[2:]
    yield Odd("jpeg with half a million empty comments", crumbs, UNREADABLE)
    yield Odd("jpeg with 9 MB of metadata", whole[:2] + _APP * 138 + whole[2:], UNREADABLE)
    yield Odd("png with a profile of 6 MB", saved(picture, "PNG", icc_profile=huge), None, _BAD_ICC)
    ink = saved(picture.convert("CMYK"), "JPEG", icc_profile=profile)
    yield Odd("jpeg in CMYK with a profile of light", ink, None, _NO_ICC | _BAD_ICC)
    long = saved(picture, "JPEG", comment=b"x" * 60_000)
    yield Odd("jpeg with a long comment", long)


def _broken(rgb: npt.NDArray[np.uint8]) -> Iterator[Odd]:
    whole = whole_files(rgb)
    tiff = bytearray(whole["tiff"])
    at = int.from_bytes(tiff[4:8], "little")
    count = int.from_bytes(tiff[at : at + 2], "little")
    end = at + 2 + 12 * count
    tiff[end : end + 4] = struct.pack("<I", at)
    yield Odd("tiff whose next page is its first", bytes(tiff))
    tiff[end : end + 4] = struct.pack("<I", 1 << 30)
    yield Odd("tiff whose next page is beyond its end", bytes(tiff), TRUNCATED)
    tiff[4:8] = struct.pack("<I", 1 << 31)
    yield Odd("tiff whose first page is beyond its end", bytes(tiff), TRUNCATED)
    tiff[4:8] = struct.pack("<I", 0)
    yield Odd("tiff that is its own directory", bytes(tiff), UNREADABLE)
    yield Odd("png with a wrong checksum", whole["png"][:20] + b"x" + whole["png"][21:], UNREADABLE)
    gif = whole["gif"]
    yield Odd("gif that ends at once", gif[:13] + b";", TRUNCATED)
    size = heif.coded(rgb.astype(int))
    size.properties[1] = heif.size_of(4_000, 4_000)
    yield Odd("heic that tells a size it has not", heif.file_of([size]), UNREADABLE)
    none = heif.coded(rgb.astype(int))
    none.properties = none.properties[:1]
    yield Odd("heic that tells no size", heif.file_of([none]), UNREADABLE)
    grid = heif.grid(rgb.astype(int), 16)
    grid[-1].refers = [(b"dimg", [len(grid)] * 9)]
    yield Odd("heic that is a part of itself", heif.file_of(grid, primary=len(grid)), UNREADABLE)
    yield Odd("heic without its primary item", heif.file_of(grid, primary=999), UNREADABLE)
    avif = bytearray(whole["avif"])
    at = avif.index(b"ispe") + 8
    avif[at : at + 8] = struct.pack(">II", 4_000, 4_000)
    # libavif enlarges it to what it says, and that is what it costs.
    yield Odd("avif that tells a size it has not", bytes(avif))
    box = struct.pack(">I", 24) + b"ftypheic" + bytes(4) + b"heicmif1"
    yield Odd("heic of endless boxes", box + (struct.pack(">I", 8) + b"free") * 40_000, UNREADABLE)
