"""Operations and their parameters: what a client may ask for, by name."""

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class OperationName(StrEnum):
    """Every operation, as it is named in topics, prices, metrics and the API."""

    UPSCALE = "upscale"
    RESTORE = "restore"
    INPAINT = "inpaint"
    SCRATCHES = "scratches"
    TONE = "tone"
    ENHANCE = "enhance"
    FACES = "faces"
    COLOURISE = "colourise"
    IDENTITY = "identity"


class ImageFormat(StrEnum):
    """Formats that images are read from; `WRITTEN` are those that results are written in."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    AVIF = "avif"
    TIFF = "tiff"
    HEIC = "heic"
    GIF = "gif"
    BMP = "bmp"

    @property
    def extension(self) -> str:
        """Return how the names of such files end, without a dot."""
        return "jpg" if self is ImageFormat.JPEG else self.value


WRITTEN: Final = frozenset(
    {ImageFormat.JPEG, ImageFormat.PNG, ImageFormat.WEBP, ImageFormat.AVIF, ImageFormat.TIFF}
)

OutputFormat = Literal["auto", "jpeg", "png", "webp", "avif", "tiff"]

Fraction = Annotated[float, Field(ge=0, le=1)]
Coordinate = Annotated[int, Field(ge=0, le=65_535)]


class _Parameters(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PictureParameters(_Parameters):
    """How a result is written: what every operation takes that restores a picture.

    `auto` writes JPEG for JPEG and HEIC input without alpha, else PNG. JPEG knows no alpha: who
    asks for it gets a picture with alpha laid on white. `quality` (1 to 100, for JPEG, WebP and
    AVIF; else ignored) is the format's own scale. `subsampling` halves JPEG's and AVIF's colour
    resolution (420) or does not (444). `target_bytes` is the most that the file may have: the
    quality is lowered, from `quality` down, until it fits. `metadata` keeps the EXIF of camera,
    time and author; a place is never kept. A profile always is.
    """

    format: OutputFormat = "auto"
    quality: Annotated[int, Field(ge=1, le=100)] | None = None
    subsampling: Literal["444", "420"] = "444"
    target_bytes: Annotated[int, Field(ge=1_000, le=1 << 30)] | None = None
    metadata: Literal["keep", "drop"] = "drop"


class UpscaleParameters(PictureParameters):
    """Enlarge a picture with a network, to `factor` times its width and height.

    The network's own factor is reached first, then the rest by resampling. `photo`, `anime`
    and `fast` are Real-ESRGAN networks, `photo-light` and `anime-light` waifu2x ones, which
    keep closest to what is there.
    """

    operation: Literal["upscale"] = "upscale"
    model: Literal["photo", "anime", "fast", "photo-light", "anime-light"] = "photo"
    factor: Annotated[float, Field(gt=1, le=8)] = 4.0


class RestoreParameters(PictureParameters):
    """Take noise and the damage of JPEG out of a picture, at its size.

    `strength` 0 is the least; `auto` estimates it, and leaves a clean picture as it is.
    """

    operation: Literal["restore"] = "restore"
    model: Literal["photo", "anime"] = "photo"
    strength: Literal["auto", 0, 1, 2, 3] = "auto"


class Rectangle(_Parameters):
    """Pixels of the upright picture, from `left` and `top` on."""

    shape: Literal["rectangle"] = "rectangle"
    left: Coordinate
    top: Coordinate
    width: Annotated[int, Field(ge=1, le=65_535)]
    height: Annotated[int, Field(ge=1, le=65_535)]


class Polygon(_Parameters):
    """What a line through these points of the upright picture, (x, y), closes in."""

    shape: Literal["polygon"] = "polygon"
    points: Annotated[list[tuple[Coordinate, Coordinate]], Field(min_length=3, max_length=200)]


class InpaintParameters(PictureParameters):
    """Fill a region of a picture from its surroundings.

    `file`: a second picture of the same size marks the region, white (128 and above) is filled.
    `alpha`: the region is where the picture's own alpha is 0. `shapes`: the region is what
    `shapes` cover. `engine` says how it is filled; `auto` chooses by the region's shape.
    `auto` as the format writes PNG.
    """

    operation: Literal["inpaint"] = "inpaint"
    mask: Literal["file", "alpha", "shapes"] = "file"
    shapes: Annotated[
        list[Annotated[Rectangle | Polygon, Field(discriminator="shape")]], Field(max_length=50)
    ] = []
    engine: Literal["auto", "frequency", "marching", "patches", "learned"] = "auto"


class ScratchesParameters(PictureParameters):
    """Find scratches, dust and folds in a photograph by itself, and fill them.

    `sensitivity` 0 finds only what is certain. `result` "mask" returns what was found, white on
    black, instead of the picture.
    """

    operation: Literal["scratches"] = "scratches"
    sensitivity: Fraction = 0.5
    result: Literal["picture", "mask"] = "picture"


class ToneParameters(PictureParameters):
    """Bring a faded picture's levels, white balance and contrast back, each in part or whole."""

    operation: Literal["tone"] = "tone"
    levels: Fraction = 1.0
    white_balance: Fraction = 1.0
    contrast: Fraction = 0.5


class EnhanceParameters(PictureParameters):
    """Do what a kind of picture needs, in a fixed order; at `factor` times its size.

    `old-photo`: scratches, restore, tone, then upscale. `document`: restore, tone, upscale.
    `product`: restore, upscale. `anime`: restore, upscale, by the networks for drawings.
    """

    operation: Literal["enhance"] = "enhance"
    kind: Literal["old-photo", "document", "product", "anime"] = "old-photo"
    factor: Annotated[float, Field(ge=1, le=8)] = 1.0


class FacesParameters(PictureParameters):
    """Restore faces, by a network whose weights the operator supplies."""

    operation: Literal["faces"] = "faces"


class ColouriseParameters(PictureParameters):
    """Give a grey photograph colours, by a network whose weights the operator supplies."""

    operation: Literal["colourise"] = "colourise"


class IdentityParameters(_Parameters):
    """Store the very bytes that came, undecoded; for tests and benchmarks."""

    operation: Literal["identity"] = "identity"


PictureOperation = (
    UpscaleParameters
    | RestoreParameters
    | InpaintParameters
    | ScratchesParameters
    | ToneParameters
    | EnhanceParameters
    | FacesParameters
    | ColouriseParameters
)
"""The parameters of what decodes, restores and encodes a picture: all but `identity`."""

Parameters = Annotated[
    PictureOperation | IdentityParameters,
    Field(discriminator="operation"),
]

PARAMETERS: Final[dict[OperationName, type[_Parameters]]] = {
    OperationName.UPSCALE: UpscaleParameters,
    OperationName.RESTORE: RestoreParameters,
    OperationName.INPAINT: InpaintParameters,
    OperationName.SCRATCHES: ScratchesParameters,
    OperationName.TONE: ToneParameters,
    OperationName.ENHANCE: EnhanceParameters,
    OperationName.FACES: FacesParameters,
    OperationName.COLOURISE: ColouriseParameters,
    OperationName.IDENTITY: IdentityParameters,
}
"""The parameters of every operation."""

_PARAMETERS: TypeAdapter[Parameters] = TypeAdapter(Parameters)
_PHOTOGRAPHED: Final = frozenset({ImageFormat.JPEG, ImageFormat.HEIC})


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
    if isinstance(parameters, IdentityParameters):
        return source
    if parameters.format != "auto":
        return ImageFormat(parameters.format)
    keeps = isinstance(parameters, InpaintParameters) or (
        isinstance(parameters, ScratchesParameters) and parameters.result == "mask"
    )
    if source in _PHOTOGRAPHED and not has_alpha and not keeps:
        return ImageFormat.JPEG
    return ImageFormat.PNG


def enlargement(parameters: Parameters) -> float:
    """Return how many times its width and height a picture's result has."""
    match parameters:
        case UpscaleParameters() | EnhanceParameters():
            return parameters.factor
        case _:
            return 1.0
