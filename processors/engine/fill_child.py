"""The filler's process: `python -m processors.engine.fill_child`, started by a sandbox."""

import cv2
import numpy as np

from processors.engine.fill import Method, fill_by_frequency, fill_by_patches
from processors.sandbox.child import Reply, serve
from processors.sandbox.framing import Message


def answer(message: Message) -> Reply:
    """Fill the first buffer's pixels where the second buffer is not 0, by the named method."""
    height, width, channels, coarseness = (
        int(str(message.fields[name])) for name in ("height", "width", "channels", "coarseness")
    )
    pixels = np.frombuffer(message.buffers[0], np.uint8).reshape(height, width, channels)
    unknown = np.frombuffer(message.buffers[1], np.uint8).reshape(height, width) != 0
    match Method(str(message.fields["method"])):
        case Method.FREQUENCY:
            filled = fill_by_frequency(pixels, unknown, coarseness)
        case Method.PATCHES:
            filled = fill_by_patches(pixels, unknown)
    return Reply({}, (np.ascontiguousarray(filled).data.cast("B"),))


if __name__ == "__main__":
    # One thread: each would reserve address space, and regions are small.
    cv2.setNumThreads(1)
    serve(answer)
