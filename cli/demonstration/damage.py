"""What time does to photographs, done at once. Each function gives the same pixels each time."""

from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

_WHITE: Final = 255
_STAMP: Final = "12 24 '98"
_STAMP_COLOUR: Final = (255, 140, 40)


def shrunk(image: Image.Image, longest: int) -> Image.Image:
    """Return `image` made smaller, its longer side `longest` pixels."""
    scale = longest / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def noisy(image: Image.Image, strength: float, seed: int) -> Image.Image:
    """Return `image` with Gaussian noise of a standard deviation of `strength` (of 255)."""
    pixels = np.asarray(image, np.float64)
    noise = np.random.default_rng(seed).normal(0.0, strength, pixels.shape)
    return Image.fromarray(np.clip(np.rint(pixels + noise), 0, _WHITE).astype(np.uint8))


def scratched(image: Image.Image, count: int, seed: int) -> tuple[Image.Image, Image.Image]:
    """Return `image` with `count` white scratches, and the mask that marks them."""
    random = np.random.default_rng(seed)
    mask = Image.new("L", image.size, 0)
    draw = ImageDraw.Draw(mask)
    width, height = image.size
    for _ in range(count):
        x = random.uniform(0.1, 0.9) * width
        points = [(x, 0.0)]
        for step in range(1, 9):
            x += random.normal(0.0, width / 60)
            points.append((x, height * step / 8))
        draw.line(points, fill=_WHITE, width=2)
    return _painted(image, mask), _wider(mask)


def stamped(image: Image.Image) -> tuple[Image.Image, Image.Image]:
    """Return an RGB `image` with a camera's date in its corner, and the mask that marks it."""
    mask = Image.new("L", image.size, 0)
    width, height = image.size
    font = ImageFont.load_default(size=height / 9)
    draw = ImageDraw.Draw(mask)
    draw.text((width * 0.05, height * 0.94), _STAMP, fill=_WHITE, font=font, anchor="ls")
    return _painted(image, mask, _STAMP_COLOUR), _wider(mask)


def torn(image: Image.Image, places: tuple[tuple[float, float, float], ...]) -> Image.Image:
    """Return `image` with round transparent holes: x, y and radius, as parts of its width."""
    alpha = Image.new("L", image.size, _WHITE)
    draw = ImageDraw.Draw(alpha)
    for place in places:
        x, y, radius = (part * image.width for part in place)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=0)
    holed = image.convert("RGB")
    # What a hole hides is gone from the file, too.
    holed.paste((0, 0, 0), mask=alpha.point(lambda value: _WHITE - value))
    holed.putalpha(alpha)
    return holed


def _painted(
    image: Image.Image, mask: Image.Image, colour: tuple[int, int, int] | None = None
) -> Image.Image:
    painted = image.copy()
    white = (_WHITE, _WHITE, _WHITE) if image.mode == "RGB" else _WHITE
    painted.paste(colour or white, mask=mask)
    return painted


def _wider(mask: Image.Image) -> Image.Image:
    """Return a mask that covers the soft edges of what was drawn, in black and white."""
    return mask.filter(ImageFilter.MaxFilter(3)).point(lambda value: _WHITE if value else 0)
