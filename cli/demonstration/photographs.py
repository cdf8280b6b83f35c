"""The photographs of the demonstration: those that lie in scikit-image's wheel, read offline."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from PIL import Image


class PhotographsMissingError(Exception):
    """scikit-image is not installed, or lacks a photograph; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Photograph:
    """A picture in the wheel: its file, what is to be seen on it, and whose it is.

    Credits are those that scikit-image gives.
    """

    file: str
    title: str
    shows: str
    credit: str


ASTRONAUT = Photograph(
    "astronaut.png",
    "Eileen Collins",
    "the astronaut Eileen Collins in an orange suit, smiling",
    "NASA, public domain",
)
CAMERA = Photograph(
    "camera.png",
    "Cameraman",
    "a man in a coat with a camera on a tripod, in grey",
    "Lav Varshney, CC0",
)
CHELSEA = Photograph(
    "chelsea.png", "Chelsea", "a ginger cat's face, close", "Stefan van der Walt, CC0"
)
COFFEE = Photograph(
    "coffee.png", "Coffee", "a cup of coffee on a wooden table", "Rachel Michetti, CC0"
)
COINS = Photograph(
    "coins.png",
    "Coins of Pompeii",
    "rows of Greek coins, in grey",
    "Brooklyn Museum, no known restrictions",
)
HUBBLE = Photograph(
    "hubble_deep_field.jpg",
    "Hubble deep field",
    "hundreds of galaxies on black",
    "NASA, public domain",
)
LOGO = Photograph(
    "logo.png", "Drawing", "a drawn snake, the sign of scikit-image", "scikit-image, BSD licence"
)
MOON = Photograph(
    "moon.png", "Surface of the moon", "a crater on the moon, in grey", "scikit-image"
)
MOTORCYCLE = Photograph(
    "motorcycle_left.png",
    "Motorcycle",
    "a motorcycle in a garage",
    "Middlebury stereo data of 2014, D. Scharstein and others",
)
ROCKET = Photograph(
    "rocket.jpg", "Launch of DSCOVR", "a rocket between lightning towers", "SpaceX, public domain"
)


def read(photograph: Photograph) -> Image.Image:
    """Return a photograph in its own mode: RGB, L or RGBA. Raises `PhotographsMissingError`."""
    path = _folder() / photograph.file
    try:
        with Image.open(path) as opened:
            opened.load()
            return opened
    except OSError as error:
        raise PhotographsMissingError(
            f"scikit-image has no {photograph.file}: {error}; install it anew with "
            "`make install` or `pip install 'picmend[demo]'`"
        ) from error


def _folder() -> Path:
    # Found without being imported: that takes seconds, and its own loader may use the network.
    found = find_spec("skimage")
    if found is None or found.origin is None:
        raise PhotographsMissingError(
            "the photographs come with scikit-image, which is not installed; "
            "run `make install` or `pip install 'picmend[demo]'`"
        )
    return Path(found.origin).parent / "data"
