import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from api.orders import Order, Sent, Uploaded
from schemas.ids import UploadId
from schemas.operations import UpscaleParameters, parse_parameters

UPLOADED = Uploaded(UploadId("upl_" + "a" * 32))
ORDER = Order(
    preset=None,
    parameters=UpscaleParameters(),
    expires_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
    image=UPLOADED,
    mask=None,
)


def sent(content: bytes, sha256: str = "ab") -> Sent:
    return Sent(io.BytesIO(content), len(content), sha256)


def test_defaults_written_out_are_the_same_request() -> None:
    spelled = parse_parameters("upscale", {"factor": 4, "model": "photo", "format": "auto"})

    assert replace(ORDER, parameters=spelled).digest() == ORDER.digest()


def test_the_same_moment_in_another_zone_is_the_same_request() -> None:
    shanghai = timezone(timedelta(hours=8))
    moment = datetime(2026, 3, 1, 20, tzinfo=shanghai)

    assert replace(ORDER, expires_at=moment).digest() == ORDER.digest()


def test_a_file_stands_for_its_bytes_alone() -> None:
    assert (
        replace(ORDER, image=sent(b"1")).digest() == replace(ORDER, image=sent(b"other")).digest()
    )


def test_anything_else_that_differs_is_another_request() -> None:
    others = [
        replace(ORDER, preset="upscale-photo-x4", parameters=None),
        replace(ORDER, parameters=UpscaleParameters(model="anime")),
        replace(ORDER, expires_at=None),
        replace(ORDER, image=Uploaded(UploadId("upl_" + "b" * 32))),
        replace(ORDER, image=sent(b"1")),
        replace(ORDER, image=sent(b"1", sha256="cd")),
        replace(ORDER, mask=UPLOADED),
        replace(ORDER, image=sent(b"1"), mask=sent(b"1")),
    ]

    assert len({ORDER.digest(), *(other.digest() for other in others)}) == len(others) + 1


def test_a_digest_is_one_of_sha_256() -> None:
    assert len(ORDER.digest()) == 32


def test_a_priority_is_part_of_it_only_where_it_is_told() -> None:
    # What is kept of requests from before there were priorities.
    before = "8f659823405914a2"

    assert ORDER.digest().hex().startswith(before)
    told = [replace(ORDER, priority=priority).digest() for priority in (0, 1, -1)]
    assert len({ORDER.digest(), *told}) == 4
