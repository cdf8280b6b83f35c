"""How the size of a picture is counted, alike for prices and for quotas."""

from typing import Final

PIXELS_PER_MEGAPIXEL: Final = 1_000_000


def started_megapixels(pixels: int) -> int:
    """Return how many megapixels a picture has begun: rounded up to whole ones, at least one.

    This is the one place where money and quotas are rounded; only the check of quotas counts
    anew, in SQL, so that it does not believe what it checks.
    """
    return max(1, -(-pixels // PIXELS_PER_MEGAPIXEL))
