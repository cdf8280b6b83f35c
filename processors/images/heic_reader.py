"""HEIC, read by libheif. In the decoder's process."""

import io
from typing import Final

import numpy as np
import numpy.typing as npt
import pi_heif

from processors.images.depth import reduced
from processors.images.errors import TruncatedImage, UnreadableImage
from processors.images.headers.facts import ImageHeader
from processors.images.loaded import Channel, Loaded
from processors.images.metadata import exif_block
from processors.images.orientation import AS_STORED
from processors.images.profiles import sound
from schemas.warnings import Warned

_SHALLOW: Final = 8
_OPAQUE: Final = 255

# Only the picture itself is asked for; parts of it are decoded one after another.
pi_heif.options.THUMBNAILS = False
pi_heif.options.DEPTH_IMAGES = False
pi_heif.options.AUX_IMAGES = False
pi_heif.options.DECODE_THREADS = 1


def read(data: bytes, header: ImageHeader) -> Loaded:
    """Return the primary picture of a HEIC whose header was read, turned as the file says.

    Its turns and mirrors are the container's; an orientation in its EXIF says nothing more
    (ISO/IEC 23008-12, section 6.5.10). Raises a kind of `ImageRefused` or what pi_heif raises.
    """
    try:
        file = pi_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False, hdr_to_16bit=False)
        picture = file[file.primary_index]
        levels = np.asarray(picture)
    except EOFError as error:
        raise TruncatedImage(f"the heic file ends too early: {error}") from error
    size = (header.height, header.width)
    if levels.shape[:2] != (size[::-1] if header.quarter_turned else size):
        raise UnreadableImage(f"the picture has {picture.size}, which its header does not tell")
    depth = int(picture.info["bit_depth"])
    pixels, alpha = _separated(_of_8_bits(levels, depth), premultiplied=picture.premultiplied_alpha)
    icc = picture.info.get("icc_profile")
    profile = sound(icc)
    return Loaded(
        pixels,
        alpha,
        profile,
        exif_block(picture.info.get("exif")),
        AS_STORED,
        max(len(file), header.frames_hint),
        depth,
        (Warned.PROFILE_UNUSABLE,) if icc and profile is None else (),
    )


def _of_8_bits(levels: npt.NDArray[np.generic], depth: int) -> Channel:
    if levels.dtype == np.uint8:
        # What pi_heif gives is memory of its own, which goes with its picture.
        return levels.astype(np.uint8)
    return reduced(levels.view(np.uint16), max(depth, _SHALLOW))


def _separated(channels: Channel, *, premultiplied: bool) -> tuple[Channel, Channel | None]:
    if channels.ndim == 2:  # noqa: PLR2004 (rows and columns, no channels)
        return channels[..., np.newaxis], None
    if channels.shape[2] % 2:
        return channels, None
    colour, alpha = channels[..., :-1], channels[..., -1]
    if premultiplied:
        opacity = np.maximum(alpha, 1).astype(np.uint16)[..., np.newaxis]
        colour = np.minimum((colour * np.uint16(_OPAQUE) + opacity // 2) // opacity, _OPAQUE)
    return colour.astype(np.uint8, copy=False), alpha
