"""What a supplied file becomes once it is read: a network that gives one array for others."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

from processors.models.beat import Beat
from processors.models.gfpgan_archive import GfpganArchive
from processors.models.onnx_session import Session
from processors.models.supplied import Kind, SuppliedEntry


class SuppliedNetwork(Protocol):
    """A network out of a supplied file. Safe to share between threads."""

    def run(
        self, feed: Mapping[str, npt.NDArray[np.generic]], shape: tuple[int, ...], beat: Beat
    ) -> npt.NDArray[np.float32]:
        """Return the network's one output, of that shape, for these inputs by name.

        Raises `processors.models.files.WeightsMalformed` when the file is another network than
        its entry says, `ProcessingFailure` when it cannot be run or its output is not finite, and
        what `beat` raises, within a second or a layer.
        """


def opened(entry: SuppliedEntry, content: bytes) -> SuppliedNetwork:
    """Return the network that `content`, the entry's file, holds.

    Raises `ModelUnavailable` where what runs it is not installed, and `WeightsMalformed` when it
    is no such network.
    """
    if entry.kind is Kind.GFPGAN_ARCHIVE:
        return GfpganArchive(entry.name, content)
    return Session(entry.name, content)
