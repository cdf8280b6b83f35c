"""A hostile file harms its decoder's process at most, and the next picture decodes."""

import io
import resource
import signal
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest
from PIL import Image as Pillow
from PIL import ImageCms

from processors.failures import ProcessingFailure
from processors.images.decoder import Decoder
from processors.images.errors import (
    DecodeLimitReached,
    EmptyFile,
    FileTooLarge,
    ImageRefused,
    ImageTooLarge,
    TruncatedImage,
    UnreadableImage,
    UnsupportedFormat,
)
from processors.images.limits import DecodeLimits
from processors.sandbox.sandbox import ChildFailed, ChildNotStarted, Sandbox, SandboxLimits
from schemas.errors import ErrorCode
from schemas.operations import ImageFormat


def saved(picture: Pillow.Image, form: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def flat_png(width: int, height: int) -> bytes:
    """Return a tiny file of that many black pixels, true to its header."""

    def chunk(name: bytes, body: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + crc

    packer = zlib.compressobj(1)
    row = bytes(1 + 3 * width)
    rows = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


PIXELS = np.random.default_rng(1).integers(0, 256, (30, 40, 3), np.uint8)
MODEL = 0x0110
GOOD = saved(Pillow.fromarray(PIXELS))


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder() as decoder:
        yield decoder


@pytest.fixture(scope="module")
def slow() -> bytes:
    """A file that takes long to decode."""
    return saved(Pillow.effect_noise((6_000, 5_000), 80), "JPEG", quality=95)


def decodes(decoder: Decoder) -> bool:
    return bool((decoder.decode(GOOD).pixels == PIXELS).all())


def test_a_picture_comes_back_whole(decoder: Decoder) -> None:
    rgba = np.dstack([PIXELS, PIXELS[..., 0]])

    exif = Pillow.Exif()
    exif[MODEL] = "a camera"
    image = decoder.decode(saved(Pillow.fromarray(rgba), icc_profile=(profile := icc()), exif=exif))

    assert (image.pixels == PIXELS).all()
    assert image.alpha is not None
    assert (image.alpha == PIXELS[..., 0]).all()
    assert image.icc == profile
    assert image.exif is not None
    assert b"a camera" in image.exif
    assert image.warnings == ()
    assert image.source_format is ImageFormat.PNG
    assert image.source_size == (40, 30)


def icc() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", EmptyFile),
        (b"no picture" * 50, UnreadableImage),
        (saved(Pillow.new("RGB", (8, 8)), "ICO"), UnsupportedFormat),
        (saved(Pillow.fromarray(PIXELS), "JPEG")[:-200], TruncatedImage),
        (flat_png(9_000, 9_000), ImageTooLarge),
    ],
    ids=["empty", "text", "icon", "truncated", "bomb"],
)
def test_what_is_refused_keeps_its_code_across_the_process(
    decoder: Decoder, data: bytes, error: type[ImageRefused]
) -> None:
    with pytest.raises(error) as caught:
        decoder.decode(data)

    assert caught.value.code == error.code
    assert decodes(decoder)


def test_a_file_over_the_limit_never_reaches_the_process() -> None:
    with Decoder(DecodeLimits(file_bytes=100)) as decoder, pytest.raises(FileTooLarge):
        decoder.decode(GOOD)


def test_a_picture_that_needs_too_much_memory_ends_alone() -> None:
    with Decoder(
        DecodeLimits(pixels=200_000_000), SandboxLimits(address_space=600 << 20)
    ) as decoder:
        with pytest.raises(DecodeLimitReached):
            decoder.decode(flat_png(12_000, 12_000))
        assert decodes(decoder)


def test_a_picture_that_takes_too_long_is_killed_and_the_next_one_decodes(slow: bytes) -> None:
    with Decoder(sandbox=SandboxLimits(wall_s=0.2)) as decoder:
        with pytest.raises(DecodeLimitReached):
            decoder.decode(slow)
        assert decodes(decoder)


def of_ended_processes() -> float:
    """Return the seconds of CPU that children took that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_a_picture_may_take_the_seconds_of_its_request_and_no_more() -> None:
    # Six million comments of one letter, counted in Python: over 2 s.
    whole = saved(Pillow.new("L", (8, 8)), "GIF")
    slow = whole[:-1] + b"\x21\xfe\1a\0" * 6_000_000 + whole[-1:]
    limits = DecodeLimits()
    fields: dict[str, object] = {
        name: getattr(limits, name) for name in ("file_bytes", "pixels", "side", "frames", "aspect")
    }
    others = set(psutil.Process().children())
    with Sandbox("processors.images.decode_child") as sandbox:
        assert sandbox.call(fields, [GOOD], cpu_s=1).fields["width"] == 40
        (process,) = set(psutil.Process().children()) - others
        used, ended = sum(process.cpu_times()[:2]), of_ended_processes()
        with pytest.raises(ChildFailed):
            sandbox.call(fields, [slow], cpu_s=0.5)
        assert 0.4 < of_ended_processes() - ended - used < 0.8
        assert sandbox.call(fields, [GOOD], cpu_s=1).fields["width"] == 40


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Decoder, psutil.Process]]:
    """A decoder and its one process, started while a secret is in the environment."""
    monkeypatch.setenv("PICMEND_DATABASE_URL", "postgresql://secret")
    before = set(psutil.Process().children())
    with Decoder() as decoder:
        assert decodes(decoder)
        (started,) = set(psutil.Process().children()) - before
        yield decoder, started


def test_a_process_killed_while_it_waits_is_replaced(
    child: tuple[Decoder, psutil.Process],
) -> None:
    decoder, process = child
    process.kill()

    assert decodes(decoder)


def while_decoding(end: Callable[[psutil.Process], None], times: int) -> Callable[[], bool]:
    """Return a `should_stop` that ends the processes at work, as often as told, and says no."""
    others, ended = set(psutil.Process().children()), set[psutil.Process]()

    def should_stop() -> bool:
        for process in set(psutil.Process().children()) - others - ended:
            # Its seconds of CPU are limited from its first request on.
            if (
                process.rlimit(psutil.RLIMIT_CPU)[0] != resource.RLIM_INFINITY
                and len(ended) < times
            ):
                end(process)
                ended.add(process)
        return False

    return should_stop


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_picture_whose_process_is_ended_from_outside_is_decoded_by_another(
    slow: bytes, number: signal.Signals
) -> None:
    ended: list[psutil.Process] = []

    def end(process: psutil.Process) -> None:
        process.send_signal(number)
        ended.append(process)

    with Decoder() as decoder:
        image = decoder.decode(slow, should_stop=while_decoding(end, times=1))

    assert len(ended) == 1
    assert image.source_size == (6_000, 5_000)


def test_a_picture_whose_process_is_killed_twice_is_not_tried_a_third_time(slow: bytes) -> None:
    with Decoder() as decoder:
        with pytest.raises(DecodeLimitReached, match="signal 9"):
            decoder.decode(slow, should_stop=while_decoding(psutil.Process.kill, times=2))
        assert decodes(decoder)


def test_a_second_try_has_only_what_the_first_left_of_its_time(slow: bytes) -> None:
    first: list[psutil.Process] = []

    def should_stop() -> bool:
        if time.monotonic() - started > 2.2 and first[0].is_running():
            first[0].kill()
        return hangs()

    def hang(process: psutil.Process) -> None:
        process.suspend()
        first.append(process)

    hangs = while_decoding(hang, times=2)
    # With the second of grace, 2.5 for a request; 3.5 for all.
    with Decoder(sandbox=SandboxLimits(start_s=1, wall_s=1.5)) as decoder:
        started = time.monotonic()
        with pytest.raises(ProcessingFailure, match="ran out of time"):
            decoder.decode(slow, should_stop=should_stop)
        assert 2.2 < time.monotonic() - started < 4.2


@pytest.mark.parametrize(
    ("limits", "found"),
    [
        (SandboxLimits(address_space=1 << 70), "ended with status 1"),
        (SandboxLimits(start_s=0.001), "ran out of time"),
    ],
    ids=["it ends", "it hangs"],
)
def test_a_process_that_cannot_start_is_no_fault_of_the_picture(
    limits: SandboxLimits, found: str
) -> None:
    with Decoder(sandbox=limits) as decoder, pytest.raises(ChildNotStarted, match=found) as caught:
        decoder.decode(GOOD)

    assert not isinstance(caught.value, ImageRefused)
    assert caught.value.code is ErrorCode.PROCESSING_FAILED
    assert "python -m processors.images.decode_child" in str(caught.value)


def test_a_program_that_is_not_there_is_told_with_its_status() -> None:
    with (
        Sandbox("processors.images.no_such_module") as sandbox,
        pytest.raises(ChildNotStarted) as caught,
    ):
        sandbox.call({})

    assert caught.value.status == 1


def test_a_process_killed_before_it_is_ready_is_no_fault_of_the_picture() -> None:
    others = set(psutil.Process().children())

    with Decoder() as decoder:
        decoder.warm()
        for process in set(psutil.Process().children()) - others:
            process.kill()
        assert decodes(decoder)


def test_the_process_has_limits_no_secrets_and_no_files(
    child: tuple[Decoder, psutil.Process],
) -> None:
    _, process = child

    assert "PICMEND_DATABASE_URL" not in process.environ()
    assert process.open_files() == []
    assert process.net_connections() == []
    assert process.num_fds() == 3
    assert process.rlimit(psutil.RLIMIT_AS)[1] == 1280 << 20
    assert process.rlimit(psutil.RLIMIT_DATA)[1] == 1 << 30
    assert process.rlimit(psutil.RLIMIT_CORE) == (0, 0)
    assert process.rlimit(psutil.RLIMIT_FSIZE) == (0, 0)
    assert process.rlimit(psutil.RLIMIT_NOFILE)[1] == 16
    assert 0 < process.rlimit(psutil.RLIMIT_CPU)[0] <= 20


def test_the_process_ends_with_its_decoder() -> None:
    before = set(psutil.Process().children())
    with Decoder() as decoder:
        decoder.warm()
        assert decodes(decoder)
        started = set(psutil.Process().children()) - before
        assert len(started) == 1

    assert not started & set(psutil.Process().children())


def test_a_process_is_replaced_after_its_share_of_pictures() -> None:
    before = set(psutil.Process().children())
    with Decoder(sandbox=SandboxLimits(requests=2)) as decoder:
        seen: set[int] = set()
        for _ in range(5):
            assert decodes(decoder)
            seen |= {process.pid for process in set(psutil.Process().children()) - before}

    assert len(seen) == 3


def test_threads_decode_at_once(decoder: Decoder) -> None:
    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(lambda _: decodes(decoder), range(12)))


def test_decoding_stops_when_the_worker_is_asked_to(slow: bytes) -> None:
    with Decoder() as decoder:
        started = time.monotonic()
        with pytest.raises(DecodeLimitReached, match="stopped"):
            decoder.decode(slow, should_stop=lambda: True)
        assert time.monotonic() - started < 10
        assert decodes(decoder)
