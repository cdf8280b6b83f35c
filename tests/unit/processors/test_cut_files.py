"""A file that ends early is an error, wherever it ends: never a picture that is half there."""

import pytest

from processors.images.decode import decode
from processors.images.errors import TruncatedImage, UnreadableImage, UnsupportedFormat
from processors.images.limits import DecodeLimits
from tests.hostile.corpus import photograph, whole_files

WHOLE = whole_files(photograph(7))
# Enough for every format to tell what it is; before that it is no picture, or of no known kind.
KNOWN = 48


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_cut_anywhere_is_truncated(name: str) -> None:
    whole = WHOLE[name]
    decode(whole, DecodeLimits())

    for end in {*range(KNOWN, len(whole), 61), *range(len(whole) - 16, len(whole))}:
        with pytest.raises(TruncatedImage):
            decode(whole[:end], DecodeLimits())


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_of_its_first_bytes_is_refused(name: str) -> None:
    for end in range(1, KNOWN):
        with pytest.raises((TruncatedImage, UnreadableImage, UnsupportedFormat)):
            decode(WHOLE[name][:end], DecodeLimits())
