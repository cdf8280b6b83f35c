"""The decoder's process: `python -m processors.images.decode_child`, started by a sandbox."""

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from processors.images.decode import decode
from processors.images.errors import ImageRefused
from processors.images.limits import DecodeLimits
from processors.sandbox.child import Reply, serve
from processors.sandbox.framing import Message


def answer(message: Message) -> Reply:
    """Decode the file in the request's one buffer."""
    numbers = {name: int(str(value)) for name, value in message.fields.items()}
    data = bytes(message.buffers[0])
    message.buffers[0].clear()  # a file may be large enough to matter twice
    try:
        image = decode(data, DecodeLimits(**numbers))
        buffers = [_flat(image.pixels)]
        if image.alpha is not None:
            buffers.append(_flat(image.alpha))
        if image.icc is not None:
            buffers.append(memoryview(image.icc))
        if image.exif is not None:
            buffers.append(memoryview(image.exif))
    except ImageRefused as error:
        return Reply({"code": error.code.value, "message": str(error)})
    except MemoryError:
        return Reply({"code": "decode_limit", "message": "decoding needs too much memory"})
    height, width, channels = image.pixels.shape
    return Reply(
        {
            "width": width,
            "height": height,
            "channels": channels,
            "alpha": image.alpha is not None,
            "icc": image.icc is not None,
            "exif": image.exif is not None,
            "warnings": [warning.value for warning in image.warnings],
        },
        tuple(buffers),
    )


def _flat(channel: npt.NDArray[np.uint8]) -> memoryview:
    return np.ascontiguousarray(channel).data.cast("B")


if __name__ == "__main__":
    # Pillow imports its plug-ins when it first needs them, when no file can be opened any more.
    Pillow.init()
    serve(answer)
