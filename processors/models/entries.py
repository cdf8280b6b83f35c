"""What is written down of a network: its weights, what they are for, and what they need."""

from dataclasses import dataclass
from enum import StrEnum

from schemas.operations import OperationName


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
    SRVGG_32 = "srvggnet-compact-32"
    UPCONV_7 = "upconv-7"
    CUNET = "cunet"


class ColourRange(StrEnum):
    """How colours are given to a network, and come back."""

    UNIT_RGB = "RGB, 0 to 1"
    BYTE_RGB = "RGB, 0 to 255"
    SIGNED_RGB = "RGB, -1 to 1"


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A file, pinned by its content. Where `path` begins is said by what holds it."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class NcnnModel:
    """Weights in ncnn's two files, which an installed distribution holds."""

    distribution: str
    param: WeightFile
    weights: WeightFile

    @property
    def files(self) -> tuple[WeightFile, ...]:
        """Every file that has to be there."""
        return self.param, self.weights


@dataclass(frozen=True, slots=True)
class SuppliedFile:
    """Weights in a file that the operator puts into the folder of models."""

    weights: WeightFile

    @property
    def files(self) -> tuple[WeightFile, ...]:
        """Every file that has to be there."""
        return (self.weights,)


Source = NcnnModel | SuppliedFile


@dataclass(frozen=True, slots=True)
class NetworkEntry:
    """One network with its weights.

    `origin`: the project that the weights come from, for people to read; nothing is fetched.
    `overlap`: how many input pixels around a tile are computed and thrown away, so that tiles
    meet without a seam. It is the reach where that is small; RRDBNet could see hundreds of
    pixels, but what lies further than its overlap moves the result by less than tiling may
    (50 dB).
    `multiple`: the sides of what is fed to the network, and where it begins in the picture, are
    multiples of this. `reach`: how far, in input pixels, the network sees; an overlap as wide
    makes tiles exact. `precisions`: in which it may run; fp32 always among them. `gflop`:
    billions of multiplications and additions per input megapixel.
    """

    name: str
    operations: tuple[OperationName, ...]
    architecture: Architecture
    scale: int
    source: Source
    licence: str
    origin: str
    overlap: int
    reach: int
    gflop: float
    multiple: int = 1
    precisions: frozenset[Precision] = frozenset(Precision)
    colours: ColourRange = ColourRange.UNIT_RGB

    @property
    def sha256(self) -> str:
        """What identifies the weights in reports: the sha256 of the file that holds them."""
        return self.source.weights.sha256
