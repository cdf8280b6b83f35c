"""Whatever a file is, it gives a picture or a typed error, soon, and leaves nothing behind."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processors.images.decoder import Decoder
from processors.images.errors import ImageRefused
from processors.images.image import Image
from schemas.errors import ErrorCode
from tests.hostile.corpus import Odd, files, photograph, whole_files

ROOT = Path(__file__).parents[3]
FILES = {odd.name: odd for odd in files()}
WHOLE = whole_files(photograph(7))
SOON_S = 5.0
# More than the noise of an allocator, less than one picture a file would leave behind.
LEAKED_BYTES = 8 << 20


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder() as decoder:
        decoder.warm()
        decoder.decode(WHOLE["png"])
        yield decoder


def test_there_are_over_sixty_and_they_are_the_same_each_time() -> None:
    assert len(FILES) > 150
    # libavif writes the time into an animation.
    other = [odd.name for odd in files() if odd.data != FILES[odd.name].data]
    assert set(other) <= {"two pictures in one avif"}


@pytest.mark.parametrize("name", FILES)
def test_it_gives_a_picture_or_a_typed_error_soon(decoder: Decoder, name: str) -> None:
    odd = FILES[name]
    started = time.monotonic()

    code, image = outcome(decoder, odd)

    assert time.monotonic() - started < SOON_S
    assert code == odd.code
    if image is not None:
        assert frozenset(image.warnings) == odd.warned


def outcome(decoder: Decoder, odd: Odd) -> tuple[ErrorCode | None, Image | None]:
    try:
        return None, decoder.decode(odd.data)
    except ImageRefused as refusal:
        return refusal.code, None


def test_many_mixed_files_leave_nothing_behind() -> None:
    # In a process of its own: here other tests' servers open and close as they please.
    printed = subprocess.run(
        [sys.executable, "-m", "tests.hostile.leaks", "100", "1000"],
        check=True,
        capture_output=True,
        cwd=ROOT,
        text=True,
    ).stdout
    seen = json.loads(printed)

    for process in ("here", "child"):
        then, now = seen["before"][process], seen["after"][process]
        assert now["open"] == then["open"]
        assert now["bytes"] - then["bytes"] < LEAKED_BYTES


@pytest.mark.parametrize("name", WHOLE)
@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_changed_bytes_give_a_picture_or_a_typed_error(
    decoder: Decoder, name: str, data: st.DataObject
) -> None:
    changed = bytearray(WHOLE[name])
    # Most of what a decoder trips over stands in the first bytes.
    near = st.integers(0, min(len(changed), 700) - 1) | st.integers(0, len(changed) - 1)
    for at in data.draw(st.lists(near, min_size=1, max_size=6)):
        changed[at] = data.draw(st.integers(0, 255))

    code, image = outcome(decoder, Odd(name, bytes(changed)))

    assert (code is None) == (image is not None)
    # A crash, or memory or time used up, would be told so; no such change is known to do that.
    assert code is not ErrorCode.DECODE_LIMIT
