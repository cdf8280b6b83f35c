"""A result says by what it was made, and carries of its source's metadata what was asked for."""

import io
import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image as Pillow

from processors.images.encode import encode
from processors.images.image import Image
from processors.images.provenance import (
    AigcLabel,
    DigitalSource,
    Provenance,
    digital_source,
    xmp_packet,
)
from processors.operations.marking import made_by
from processors.operations.result import Report, Used
from schemas.operations import WRITTEN, ImageFormat, OperationName, PictureParameters
from schemas.warnings import Warned

FORMATS = sorted(WRITTEN)
EXIF_IFD, GPS_IFD, XMP_OF_TIFF = 0x8769, 0x8825, 700
KEEP = PictureParameters(metadata="keep")
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
MADE_BY = Provenance(OperationName.UPSCALE, version="9.9", models=("realesrgan-x4plus",))
TAKEN = "2020:05:06 07:08:09"


def exif_block(*, big: bool = True) -> bytes:
    """Everything that a camera writes: of the picture, of the exposure, and of the place."""
    exif = Pillow.Exif()
    exif.endian = ">" if big else "<"
    exif[0x010F], exif[0x0112], exif[0x013B] = "Canon", 6, "Ann Author"
    exposure = exif.get_ifd(EXIF_IFD)
    exposure[0x9003], exposure[0x829D] = TAKEN, (28, 10)
    exposure[0x927C], exposure[0xA002], exposure[0x8827] = b"maker's note", 4000, 400
    place = exif.get_ifd(GPS_IFD)
    place[1], place[2] = "N", (48.0, 12.0, 13.0)
    return exif.tobytes().removeprefix(b"Exif\0\0")


def picture(exif: bytes | None = None) -> Image:
    pixels = np.linspace(0, 255, 16 * 24 * 3).reshape(16, 24, 3).astype(np.uint8)
    return Image(pixels, None, None, ImageFormat.JPEG, (24, 16), exif=exif)


def opened(body: bytes) -> Pillow.Image:
    image = Pillow.open(io.BytesIO(body))
    image.load()
    return image


def xmp_of(body: bytes) -> bytes:
    image = opened(body)
    found = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if image.format == "TIFF":
        found = image.getexif()[XMP_OF_TIFF]
    assert found is not None
    return found if isinstance(found, bytes) else str(found).encode()


def described(packet: bytes) -> ET.Element:
    found = ET.fromstring(packet).find(f"{RDF}RDF/{RDF}Description")  # noqa: S314 (our own)
    assert found is not None
    return found


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_says_that_an_algorithm_enhanced_the_picture(form: ImageFormat) -> None:
    body = encode(picture(), form, made_by=MADE_BY).body

    packet = xmp_of(body)

    assert packet == xmp_packet(MADE_BY)
    said = described(packet)
    assert (
        said.get(f"{IPTC}DigitalSourceType")
        == "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced"
    )
    assert said.get("{http://ns.adobe.com/xap/1.0/}CreatorTool") == "picmend 9.9"
    assert said.get(f"{IPTC}AISystemUsed") == "picmend: realesrgan-x4plus"


@pytest.mark.parametrize("form", FORMATS)
def test_the_label_of_generated_content_is_written_when_the_operator_asks(
    form: ImageFormat,
) -> None:
    label = AigcLabel('某公司 "A&B"', "job_1")
    made = Provenance(OperationName.UPSCALE, aigc=label)

    body = encode(picture(), form, made_by=made).body

    written = described(xmp_of(body)).findtext("{http://www.tc260.org.cn/ns/AIGC/1.0/}AIGC")
    assert written is not None
    assert json.loads(written) == {
        "Label": "1",
        "ContentProducer": '某公司 "A&B"',
        "ProduceID": "job_1",
        "ReservedCode1": "",
        "ContentPropagator": "",
        "PropagateID": "",
        "ReservedCode2": "",
    }
    assert b"TC260:AIGC" not in xmp_packet(MADE_BY)


@pytest.mark.parametrize("operation", ["inpaint", "scratches", "faces", "colourise"])
def test_what_a_network_made_up_is_called_generated(operation: str) -> None:
    report = Report((Used("lama", "ab" * 32),), (1, 1), (1, 1))

    assert made_by(operation, report).source is DigitalSource.COMPOSITE


def test_what_is_filled_from_its_surroundings_or_enlarged_is_called_enhanced() -> None:
    filled = Report((Used("opencv-fsr-fast"),), (1, 1), (1, 1))
    enlarged = Report((Used("realesrgan-x4plus", "ab" * 32),), (1, 1), (4, 4))

    assert made_by("inpaint", filled).source is DigitalSource.ENHANCED
    assert made_by("upscale", enlarged).source is DigitalSource.ENHANCED
    assert made_by("upscale", enlarged).models == ("realesrgan-x4plus",)
    assert digital_source(OperationName.TONE, learned=False) is DigitalSource.ENHANCED


def test_a_name_that_no_file_could_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="60000"):
        xmp_packet(Provenance(OperationName.TONE, aigc=AigcLabel("x" * 60_000, "1")))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("big", [True, False])
def test_camera_time_and_author_are_kept_when_asked_for_and_the_place_never(
    form: ImageFormat, *, big: bool
) -> None:
    source = picture(exif_block(big=big))

    encoded = encode(source, form, KEEP, made_by=MADE_BY)

    exif = opened(encoded.body).getexif()
    exposure = exif.get_ifd(EXIF_IFD)
    assert (exif[0x010F], exif[0x013B]) == ("Canon", "Ann Author")
    assert (exposure[0x9003], exposure[0x8827]) == (TAKEN, 400)
    assert not {0x927C, 0xA002} & set(exposure)
    assert exif.get(0x0112, 1) == 1
    assert GPS_IFD not in exif
    assert encoded.warnings == ()


def test_a_tiff_with_kept_metadata_has_its_pixels_and_its_profile_still() -> None:
    source = picture(exif_block())

    stored = opened(encode(source, ImageFormat.TIFF, KEEP, made_by=MADE_BY).body)

    assert (np.asarray(stored) == source.pixels).all()


@pytest.mark.parametrize("form", FORMATS)
def test_metadata_is_dropped_by_default(form: ImageFormat) -> None:
    body = encode(picture(exif_block()), form, made_by=MADE_BY).body

    assert body == encode(picture(), form, made_by=MADE_BY).body


def test_damaged_metadata_is_left_out_with_a_warning() -> None:
    encoded = encode(picture(b"MM\0*\0\0"), ImageFormat.PNG, KEEP, made_by=MADE_BY)

    assert encoded.warnings == (Warned.METADATA_DAMAGED,)
    assert not opened(encoded.body).getexif()


def test_metadata_that_a_jpeg_cannot_hold_is_left_out_with_a_warning() -> None:
    exif = Pillow.Exif()
    for tag in (0x010E, 0x010F, 0x0110, 0x0131, 0x013B, 0x8298):
        exif[tag] = "d" * 7_900
    for tag in (0x9003, 0x9004, 0xA433, 0xA434):
        exif.get_ifd(EXIF_IFD)[tag] = "c" * 7_900
    source = picture(exif.tobytes().removeprefix(b"Exif\0\0"))

    assert encode(source, ImageFormat.JPEG, KEEP, made_by=MADE_BY).warnings == (
        Warned.METADATA_NOT_WRITTEN,
    )
    assert encode(source, ImageFormat.PNG, KEEP, made_by=MADE_BY).warnings == ()


def test_an_authors_name_in_any_script_stays_in_a_tiff() -> None:
    exif = Pillow.Exif()
    exif[0x013B] = "Ann Author"
    name = "王小明a"
    block = exif.tobytes().removeprefix(b"Exif\0\0")
    source = picture(block.replace(b"Ann Author", name.encode()))

    body = encode(source, ImageFormat.TIFF, KEEP, made_by=MADE_BY).body

    assert name.encode() in body
