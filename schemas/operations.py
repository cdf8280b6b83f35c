"""Operations and their parameters: what a client may ask for, by name."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class OperationName(StrEnum):
    """Every operation, as it is named in topics, prices, metrics and the API."""

    UPSCALE = "upscale"
    INPAINT = "inpaint"
    IDENTITY = "identity"


class ImageFormat(StrEnum):
    """Formats that images are read from and written to."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"

    @property
    def extension(self) -> str:
        """Return how the names of such files end, without a dot."""
        return "jpg" if self is ImageFormat.JPEG else self.value


OutputFormat = Literal["auto", "jpeg", "png", "webp"]


class _Parameters(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class UpscaleParameters(_Parameters):
    """Enlarge a picture with a Real-ESRGAN network.

    `auto` writes JPEG for JPEG input, else PNG. JPEG knows no alpha: who asks for it gets a
    picture with alpha laid on white.
    """

    operation: Literal["upscale"] = "upscale"
    model: Literal["photo", "anime", "fast"] = "photo"
    factor: Literal[4] = 4
    format: OutputFormat = "auto"


class InpaintParameters(_Parameters):
    """Fill a region of a picture from its surroundings.

    `file`: a second picture of the same size marks the region, white (128 and above) is filled.
    `alpha`: the region is where the picture's own alpha is 0. `auto` writes PNG.
    """

    operation: Literal["inpaint"] = "inpaint"
    mask: Literal["file", "alpha"] = "file"
    format: OutputFormat = "auto"


class IdentityParameters(_Parameters):
    """Store the very bytes that came, undecoded; for tests and benchmarks."""

    operation: Literal["identity"] = "identity"


Parameters = Annotated[
    UpscaleParameters | InpaintParameters | IdentityParameters, Field(discriminator="operation")
]

_PARAMETERS: TypeAdapter[Parameters] = TypeAdapter(Parameters)


def parse_parameters(operation: str, parameters: dict[str, object]) -> Parameters:
    """Return `parameters` as those of `operation`, with defaults filled in.

    Raises `pydantic.ValidationError`, which names the wrong field.
    """
    return _PARAMETERS.validate_python({**parameters, "operation": operation})


def takes_mask_file(parameters: Parameters) -> bool:
    """Tell whether a job with these parameters needs a second picture as its mask."""
    return isinstance(parameters, InpaintParameters) and parameters.mask == "file"


def output_format(parameters: Parameters, source: ImageFormat, *, has_alpha: bool) -> ImageFormat:
    """Return the format that the result of a picture is written in."""
    match parameters:
        case IdentityParameters():
            return source
        case UpscaleParameters() | InpaintParameters() if parameters.format != "auto":
            return ImageFormat(parameters.format)
        case UpscaleParameters() if source is ImageFormat.JPEG and not has_alpha:
            return ImageFormat.JPEG
        case _:
            return ImageFormat.PNG
