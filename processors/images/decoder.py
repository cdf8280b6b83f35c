"""The worker's decoder: bytes in, `Image` out, the parsing done in a confined process."""

from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from processors.images.errors import (
    DecodeLimitReached,
    FileTooLarge,
    refusal,
)
from processors.images.header import read_header
from processors.images.headers.facts import ImageHeader
from processors.images.image import Image
from processors.images.limits import DecodeLimits
from processors.sandbox.framing import Message
from processors.sandbox.sandbox import ChildFailed, ChildNotStarted, Sandbox, SandboxLimits
from schemas.warnings import Warned

_SECONDS: Final = 3
_SECONDS_A_PIXEL: Final = 0.036e-6
"""Of CPU: 4.8 for 50 megapixels, of which the slowest honest file, a PNG of 16 bits, takes half."""

CONFINED: Final = SandboxLimits(address_space=1280 << 20, memory=1 << 30, cpu_s=60)
"""Pictures of 50 megapixels take up to 0.95 GB; OpenCV's code, where needed, 0.3 GB of addresses
more, of which little is ever touched."""


_LONGEST_MESSAGE: Final = 500


class _Refused(BaseModel):
    code: str
    message: str


class _Decoded(BaseModel):
    model_config = ConfigDict(strict=True)

    width: PositiveInt
    height: PositiveInt
    channels: PositiveInt
    alpha: bool
    icc: bool
    exif: bool
    warnings: list[str]


class Decoder:
    """Decodes pictures in processes of its own. Safe to share between threads.

    Close it, or use it as a context manager, to end those processes.
    """

    def __init__(
        self, limits: DecodeLimits | None = None, sandbox: SandboxLimits | None = None
    ) -> None:
        self._limits = limits or DecodeLimits()
        self._sandbox = Sandbox("processors.images.decode_child", sandbox or CONFINED)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def warm(self) -> None:
        """Start a process ahead of the first picture."""
        self._sandbox.warm()

    def close(self) -> None:
        """End the processes that wait for work."""
        self._sandbox.close()

    def decode(self, data: bytes, *, should_stop: Callable[[], bool] = lambda: False) -> Image:
        """Return the picture in `data`.

        Raises a kind of `processors.images.errors.ImageRefused`; `DecodeLimitReached` also
        when the process had to be killed, because the file made it crash or took too long, or
        was ended from outside twice. Raises `ChildNotStarted`, which is no fault of the file's,
        when there is no process to decode it in.
        """
        limits = self._limits
        if len(data) > limits.file_bytes:
            raise FileTooLarge(f"{len(data)} bytes are more than {limits.file_bytes}")
        # As admission does, here too: it is pure Python, and what it refuses, or makes small,
        # needs no process, or less time in one.
        header = read_header(lambda start, end: data[start:end], len(data))
        limits.check(header)
        seconds = _SECONDS + header.width * header.height * _SECONDS_A_PIXEL
        fields: dict[str, object] = {
            "file_bytes": limits.file_bytes,
            "pixels": limits.pixels,
            "side": limits.side,
            "frames": limits.frames,
            "aspect": limits.aspect,
        }
        try:
            reply = self._sandbox.call(fields, [data], should_stop=should_stop, cpu_s=seconds)
            return received(reply, header)
        except ChildNotStarted:
            raise
        except ChildFailed as error:
            raise DecodeLimitReached(f"decoding was stopped: {error}") from error


def received(reply: Message, header: ImageHeader) -> Image:
    """Build the picture from a child's reply, trusting none of its numbers and no text.

    Raises the refusal that the reply tells, or `ChildFailed` for one that does not add up.
    """
    try:
        if "code" in reply.fields:
            refused = _Refused.model_validate(reply.fields)
            raise refusal(refused.code, _readable(refused.message))
        decoded = _Decoded.model_validate(reply.fields)
        return _assembled(decoded, list(reply.buffers), header)
    except (ValidationError, ValueError, LookupError) as error:
        raise ChildFailed("the child sent a picture that does not add up") from error


def _readable(message: str) -> str:
    shown = message[:_LONGEST_MESSAGE]
    return "".join(letter if letter.isprintable() else "?" for letter in shown)


def _assembled(decoded: _Decoded, buffers: list[bytearray], header: ImageHeader) -> Image:
    size = (decoded.height, decoded.width)
    if sorted(size) != sorted((header.height, header.width)) or decoded.channels not in {1, 3}:
        raise ValueError(f"{size} pixels of {decoded.channels} channels")
    pixels = _array(buffers.pop(0)).reshape(*size, decoded.channels)
    alpha = _array(buffers.pop(0)).reshape(size) if decoded.alpha else None
    return Image(
        pixels=pixels,
        alpha=alpha,
        icc=bytes(buffers.pop(0)) if decoded.icc else None,
        source_format=header.format,
        source_size=(header.width, header.height),
        exif=bytes(buffers.pop(0)) if decoded.exif else None,
        warnings=tuple(Warned(name) for name in decoded.warnings),
    )


def _array(buffer: bytearray) -> npt.NDArray[np.uint8]:
    return np.frombuffer(buffer, dtype=np.uint8)
