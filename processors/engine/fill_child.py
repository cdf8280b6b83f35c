"""The filler's process: `python -m processors.engine.fill_child`, started by a sandbox."""

import cv2
import numpy as np

from processors.engine.fill import fill_by_frequency
from processors.sandbox.child import Reply, serve
from processors.sandbox.framing import Message


def answer(message: Message) -> Reply:
    """Fill the first buffer's pixels where the second buffer is not 0."""
    shape = tuple(int(str(message.fields[name])) for name in ("height", "width", "channels"))
    pixels = np.frombuffer(message.buffers[0], np.uint8).reshape(shape)
    unknown = np.frombuffer(message.buffers[1], np.uint8).reshape(shape[:2]) != 0
    filled = np.ascontiguousarray(fill_by_frequency(pixels, unknown))
    return Reply({}, (filled.data.cast("B"),))


if __name__ == "__main__":
    # One thread: each would reserve address space, and regions are small.
    cv2.setNumThreads(1)
    serve(answer)
