"""Models whose weights no package holds: the operator supplies each as one file.

Each file is pinned by its sha256, as several projects that use it have it written down in
public; nothing here has fetched one. CodeFormer's weights are for non-commercial use and are
therefore not among them.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from processors.models.entries import ColourRange, SuppliedFile, WeightFile
from schemas.operations import OperationName


class Kind(StrEnum):
    """What a supplied file holds, and so what runs it: an ONNX file where it is no archive."""

    MIGAN = "mi-gan"
    LAMA = "lama"
    DEOLDIFY = "deoldify"
    GFPGAN = "gfpgan"
    GFPGAN_ARCHIVE = "gfpgan-archive"
    YUNET = "yunet"


@dataclass(frozen=True, slots=True)
class SuppliedEntry:
    """A model in one file. `colours` is how pictures are given to it."""

    name: str
    operations: tuple[OperationName, ...]
    kind: Kind
    source: SuppliedFile
    licence: str
    origin: str
    colours: ColourRange

    @property
    def sha256(self) -> str:
        """What identifies the weights in reports."""
        return self.source.weights.sha256


SUPPLIED: Final[tuple[SuppliedEntry, ...]] = (
    SuppliedEntry(
        name="mi-gan",
        operations=(OperationName.INPAINT,),
        kind=Kind.MIGAN,
        source=SuppliedFile(
            WeightFile(
                "migan_pipeline_v2.onnx",
                "6f1f3530a1a2324b19752018ce756088b07973cda8d7d890034ace5c8a48c40b",
            )
        ),
        licence="MIT",
        origin="https://github.com/Picsart-AI-Research/MI-GAN",
        colours=ColourRange.BYTE_RGB,
    ),
    SuppliedEntry(
        name="lama",
        operations=(OperationName.INPAINT,),
        kind=Kind.LAMA,
        source=SuppliedFile(
            WeightFile(
                "lama_fp32.onnx",
                "1faef5301d78db7dda502fe59966957ec4b79dd64e16f03ed96913c7a4eb68d6",
            )
        ),
        licence="Apache-2.0",
        origin="https://huggingface.co/Carve/LaMa-ONNX",
        colours=ColourRange.UNIT_RGB,
    ),
    SuppliedEntry(
        name="deoldify-artistic",
        operations=(OperationName.COLOURISE,),
        kind=Kind.DEOLDIFY,
        source=SuppliedFile(
            WeightFile(
                "deoldify_artistic.onnx",
                "9ac296cf05fecbdb604f50211f632b722402bc1f9a96ee5a8987b01c0c3c688f",
            )
        ),
        licence="MIT",
        origin="https://huggingface.co/facefusion/models-3.0.0",
        colours=ColourRange.BYTE_RGB,
    ),
    SuppliedEntry(
        name="gfpgan-1.4",
        operations=(OperationName.FACES,),
        kind=Kind.GFPGAN,
        source=SuppliedFile(
            WeightFile(
                "gfpgan_1.4.onnx",
                "accc4757b26bdb89b32b4d3500d4f79c9dff97c1dd7c7104bf9dcb95e3311385",
            )
        ),
        licence="Apache-2.0, parts under NVIDIA's terms",
        origin="https://huggingface.co/facefusion/models-3.0.0",
        colours=ColourRange.SIGNED_RGB,
    ),
    SuppliedEntry(
        name="gfpgan-1.4-torch",
        operations=(OperationName.FACES,),
        kind=Kind.GFPGAN_ARCHIVE,
        source=SuppliedFile(
            WeightFile(
                "GFPGANv1.4.pth",
                "e2cd4703ab14f4d01fd1383a8a8b266f9a5833dacee8e6a79d3bf21a1b6be5ad",
            )
        ),
        licence="Apache-2.0, parts under NVIDIA's terms",
        origin="https://github.com/TencentARC/GFPGAN",
        colours=ColourRange.SIGNED_RGB,
    ),
    SuppliedEntry(
        name="yunet",
        operations=(OperationName.FACES,),
        kind=Kind.YUNET,
        source=SuppliedFile(
            WeightFile(
                "face_detection_yunet_2023mar.onnx",
                "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
            )
        ),
        licence="MIT",
        origin="https://github.com/opencv/opencv_zoo",
        colours=ColourRange.BYTE_RGB,
    ),
)
