"""What a decoder's process answers is taken for data, whatever took that process over."""

import pytest

from processors.images.decoder import received
from processors.images.errors import TruncatedImage
from processors.images.headers.facts import ImageHeader
from processors.sandbox.framing import Message
from processors.sandbox.sandbox import ChildFailed
from schemas.operations import ImageFormat

HEADER = ImageHeader(ImageFormat.PNG, 2, 1, has_alpha=False)
FIELDS: dict[str, object] = {
    "width": 2,
    "height": 1,
    "channels": 3,
    "alpha": False,
    "icc": False,
    "exif": False,
    "warnings": [],
}


def test_a_picture_is_put_together_from_its_reply() -> None:
    image = received(Message(FIELDS, (bytearray(range(6)),)), HEADER)

    assert image.pixels.tolist() == [[[0, 1, 2], [3, 4, 5]]]
    assert image.source_format is ImageFormat.PNG
    assert image.source_size == (2, 1)


@pytest.mark.parametrize(
    ("changed", "length"),
    [
        ({"code": 5}, 6),
        ({"code": "truncated_image"}, 6),
        ({"width": 10**9, "height": 10**9}, 6),
        ({"width": 4, "height": 2}, 24),
        ({"channels": 2}, 4),
        ({"warnings": ["unheard of"]}, 6),
        ({"alpha": True}, 6),
        ({"width": "2"}, 6),
        ({}, 5),
    ],
)
def test_a_reply_that_does_not_add_up_is_a_failure(changed: dict[str, object], length: int) -> None:
    with pytest.raises(ChildFailed):
        received(Message(FIELDS | changed, (bytearray(length),)), HEADER)


def test_of_a_message_so_much_is_passed_on_as_a_line_can_show() -> None:
    told: dict[str, object] = {
        "code": "truncated_image",
        "message": "a\n\x1b[31mred" + "x" * 60_000,
    }

    with pytest.raises(TruncatedImage) as caught:
        received(Message(told), HEADER)

    assert str(caught.value).startswith("a??[31mred")
    assert len(str(caught.value)) == 500
