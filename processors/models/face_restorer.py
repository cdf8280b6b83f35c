"""GFPGAN, which restores faces, and YuNet, which finds them, out of files that are supplied.

YuNet is run by OpenCV, which knows its layout. How GFPGAN is fed was read from programs that use
it, or FaceFusion's export: `input`, float32 (1, 3, 512, 512) RGB in -1..1, a face that lies as in
FFHQ (Karras et al. 2019); it gives the like.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from processors.failures import ProcessingFailure
from processors.models.beat import Beat
from processors.models.files import WeightsMalformed
from processors.models.supplied import SuppliedEntry
from processors.models.supplied_network import SuppliedNetwork

_SIDE: Final = 512
_FFHQ: Final = np.array(
    [
        [0.37691676, 0.46864664],
        [0.62285697, 0.46912813],
        [0.50123859, 0.61331904],
        [0.39308822, 0.72541100],
        [0.61150205, 0.72490465],
    ],
    np.float32,
)
"""Where the eyes, the nose and the mouth's corners lie in FFHQ's pictures, (x, y) in 0..1."""

_FEATHER: Final = 32
_LONGEST: Final = 1280
_SURE: Final = 0.7

Pixels = npt.NDArray[np.uint8]
Landmarks = npt.NDArray[np.float32]
FindFaces = Callable[[Pixels], list[Landmarks]]
"""Gives for a picture, uint8 (H, W, 3) RGB, five points (x, y) of each face, as `_FFHQ` has."""


@dataclass(frozen=True, slots=True)
class FaceRestorer:
    """A network that restores faces, with what finds them. Safe to share between threads."""

    entry: SuppliedEntry
    network: SuppliedNetwork
    find: FindFaces

    def restore(self, pixels: Pixels, landmarks: Landmarks, beat: Beat) -> None:
        """Restore one of the faces that `find` found in `pixels`, uint8 (H, W, 3) RGB, in place.

        It is turned and scaled to where the network wants it, and laid back with a soft edge;
        what is no face stays as it was. Raises as `SuppliedNetwork.run` does.
        """
        there, _ = cv2.estimateAffinePartial2D(landmarks, _FFHQ * _SIDE, method=cv2.LMEDS)
        if there is not None:
            self._lay(pixels, there, beat)

    def _lay(self, pixels: Pixels, there: npt.NDArray[np.float64], beat: Beat) -> None:
        aligned = cv2.warpAffine(pixels, there, (_SIDE, _SIDE), borderMode=cv2.BORDER_REPLICATE)
        back = cv2.invertAffineTransform(there)
        corners = np.array([[0, 0], [_SIDE, 0], [0, _SIDE], [_SIDE, _SIDE]]) @ back[:, :2].T
        corners += back[:, 2]
        left, top = np.maximum(np.floor(corners.min(axis=0)), 0).astype(int)
        right, bottom = np.maximum(np.ceil(corners.max(axis=0)), 0).astype(int)
        window = pixels[top:bottom, left:right]
        if not window.size:
            return
        back[:, 2] -= (left, top)
        size = (window.shape[1], window.shape[0])
        restored = self._run(aligned, beat)
        face = cv2.warpAffine(restored, back, size, borderMode=cv2.BORDER_REPLICATE)
        share = cv2.warpAffine(_soft_square(), back, size)[..., np.newaxis]
        window[:] = np.clip(np.rint(window * (1 - share) + face * share), 0, 255)

    def _run(self, aligned: Pixels, beat: Beat) -> Pixels:
        planes = np.ascontiguousarray(aligned.transpose(2, 0, 1), np.float32)[np.newaxis]
        output = self.network.run({"input": planes / 127.5 - 1}, planes.shape, beat)
        levels = (output[0].transpose(1, 2, 0) + 1) * np.float32(127.5)
        face: Pixels = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
        return np.ascontiguousarray(face)


class FaceFinder:
    """YuNet in OpenCV. Safe to share between threads.

    Raises `WeightsMalformed` when `content` is no ONNX file that OpenCV reads.
    """

    def __init__(self, content: bytes) -> None:
        self._lock = threading.Lock()
        model = np.frombuffer(content, np.uint8)
        try:
            self._detector = cv2.FaceDetectorYN.create(
                "onnx", model, np.empty(0, np.uint8), (320, 320), _SURE
            )
        except cv2.error as error:
            raise WeightsMalformed(f"the finder of faces is no ONNX file: {error}") from error

    def __call__(self, pixels: Pixels) -> list[Landmarks]:
        """Return the landmarks of each face of `pixels`, uint8 (H, W, 3) RGB.

        Raises `ProcessingFailure` when the network cannot be run, or is another than YuNet.
        """
        height, width, _ = pixels.shape
        shrink = min(1.0, _LONGEST / max(height, width))
        size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        with self._lock:
            self._detector.setInputSize(size)
            try:
                _, faces = self._detector.detect(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
            except cv2.error as error:
                raise ProcessingFailure(f"faces cannot be looked for: {error}") from error
        scale = np.array([width / size[0], height / size[1]], np.float32)
        # A row is the box, the landmarks (x, y), and how sure YuNet is.
        return [row[4:14].reshape(5, 2) * scale for row in (() if faces is None else faces)]


def _soft_square() -> npt.NDArray[np.float32]:
    rising = np.minimum(np.arange(_SIDE), np.arange(_SIDE)[::-1]) / _FEATHER
    ramp = np.minimum(rising, 1).astype(np.float32)
    square: npt.NDArray[np.float32] = np.minimum.outer(ramp, ramp)
    return square
