"""What the demonstration uploads: damaged photographs, each under a preset, and one impostor."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from PIL import Image

from cli.demonstration import damage
from cli.demonstration import photographs as wheel
from cli.demonstration.photographs import Photograph

FACTORS: Final = {
    "upscale-photo-x4": 4,
    "upscale-anime-x4": 4,
    "upscale-fast-x4": 4,
    "inpaint": 1,
    "inpaint-alpha": 1,
}
"""By how much each preset of the demonstration makes a picture larger."""

MEDIA_TYPES: Final = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}


@dataclass(frozen=True, slots=True)
class Sample:
    """A damaged photograph, ready to be uploaded.

    `path` is its place under the preset, which may hold any characters; `name` is plain and
    names its files here. `size` is width and height in pixels. `mask` is a PNG, white where
    the picture is to be filled.
    """

    name: str
    path: str
    preset: str
    photograph: Photograph
    damage: str
    body: bytes
    mask: bytes | None
    size: tuple[int, int]

    @property
    def extension(self) -> str:
        """The ending of its name, without the dot."""
        return self.path.rpartition(".")[2]

    @property
    def media_type(self) -> str:
        """The type of `body`."""
        return MEDIA_TYPES[self.extension]

    @property
    def expected_size(self) -> tuple[int, int]:
        """Width and height that its result must have."""
        factor = FACTORS[self.preset]
        return self.size[0] * factor, self.size[1] * factor


@dataclass(frozen=True, slots=True)
class Impostor:
    """A file that says it is a picture and is none: it must be refused, and cost nothing."""

    name: str = "shopping-list"
    path: str = "shopping-list.jpg"
    preset: str = "upscale-fast-x4"
    body: bytes = b"milk\nbread\n200 g of coffee\nfilm, 24 exposures\n"
    media_type: str = "image/jpeg"
    mask: None = None


def samples() -> tuple[Sample, ...]:
    """Return every sample, the same bytes each time. Raises `PhotographsMissingError`."""
    return (
        _shrunk("rocket", "upscale-fast-x4", wheel.ROCKET, 192, quality=40),
        _shrunk("camera", "upscale-fast-x4", wheel.CAMERA, 160, quality=40),
        _shrunk("hubble", "upscale-fast-x4", wheel.HUBBLE, 200, quality=60, form="webp"),
        _scratched("coffee-worn", "杯/咖啡 +100%.png", wheel.COFFEE, 300),
        _stamped("chelsea-dated", wheel.CHELSEA, 300),
        _masked_moon("moon-worn", wheel.MOON, 200),
        _torn("collins-torn", wheel.ASTRONAUT, 240),
        _shrunk("motorcycle", "upscale-anime-x4", wheel.MOTORCYCLE, 128, quality=60),
        _drawing("drawing", wheel.LOGO, 112),
        _detail("astronaut", wheel.ASTRONAUT, 112, (110, 0, 340, 230)),
        _shrunk("chelsea", "upscale-photo-x4", wheel.CHELSEA, 128, quality=40),
        _grainy("coffee", wheel.COFFEE, 120),
        _detail("coins", wheel.COINS, 120, (225, 5, 384, 130)),
    )


def _shrunk(
    name: str,
    preset: str,
    photograph: Photograph,
    longest: int,
    *,
    quality: int,
    form: str = "jpg",
    prepare: Callable[[Image.Image], Image.Image] = Image.Image.copy,
) -> Sample:
    small = damage.shrunk(prepare(wheel.read(photograph)), longest)
    kind = {"jpg": "JPEG", "webp": "WebP"}[form]
    return _sample(
        f"{name}.{form}",
        preset,
        photograph,
        f"shrunk and {kind}-compressed at quality {quality}",
        small,
        quality=quality,
    )


def _detail(
    name: str, photograph: Photograph, longest: int, box: tuple[int, int, int, int]
) -> Sample:
    return _shrunk(
        name,
        "upscale-photo-x4",
        photograph,
        longest,
        quality=60,
        prepare=lambda image: image.crop(box),
    )


def _grainy(name: str, photograph: Photograph, longest: int) -> Sample:
    small = damage.noisy(damage.shrunk(wheel.read(photograph), longest), strength=8, seed=1)
    return _sample(f"{name}.png", "upscale-photo-x4", photograph, "shrunk, with noise", small)


def _drawing(name: str, photograph: Photograph, longest: int) -> Sample:
    small = damage.shrunk(wheel.read(photograph), longest)
    return _sample(f"{name}.png", "upscale-anime-x4", photograph, "shrunk", small)


def _scratched(name: str, path: str, photograph: Photograph, longest: int) -> Sample:
    small = damage.shrunk(wheel.read(photograph), longest)
    worn, mask = damage.scratched(small, count=5, seed=2)
    return _sample(path, "inpaint", photograph, "scratched", worn, mask=mask, name=name)


def _masked_moon(name: str, photograph: Photograph, longest: int) -> Sample:
    small = damage.shrunk(wheel.read(photograph), longest)
    worn, mask = damage.scratched(small, count=3, seed=3)
    return _sample(f"{name}.png", "inpaint", photograph, "scratched, in grey", worn, mask=mask)


def _stamped(name: str, photograph: Photograph, longest: int) -> Sample:
    dated, mask = damage.stamped(damage.shrunk(wheel.read(photograph), longest))
    return _sample(f"{name}.png", "inpaint", photograph, "a date burnt in", dated, mask=mask)


def _torn(name: str, photograph: Photograph, longest: int) -> Sample:
    small = damage.shrunk(wheel.read(photograph), longest)
    holed = damage.torn(small, ((0.10, 0.10, 0.05), (0.70, 0.55, 0.035), (0.80, 0.13, 0.04)))
    return _sample(f"{name}.png", "inpaint-alpha", photograph, "torn: holes in its alpha", holed)


def _sample(
    path: str,
    preset: str,
    photograph: Photograph,
    what: str,
    image: Image.Image,
    *,
    quality: int | None = None,
    mask: Image.Image | None = None,
    name: str = "",
) -> Sample:
    return Sample(
        name=name or path.rpartition(".")[0],
        path=path,
        preset=preset,
        photograph=photograph,
        damage=what,
        body=_encoded(image, path.rpartition(".")[2], quality),
        mask=None if mask is None else _encoded(mask, "png", None),
        size=image.size,
    )


def _encoded(image: Image.Image, extension: str, quality: int | None) -> bytes:
    buffer = io.BytesIO()
    form = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}[extension]
    image.save(buffer, form, **({} if quality is None else {"quality": quality}))
    return buffer.getvalue()
