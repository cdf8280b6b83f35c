"""What many mixed files leave behind, seen in a process where nothing else opens or holds anything.

`python -m tests.hostile.leaks FIRST MORE` decodes every file of the corpus and FIRST drawn from it,
then MORE, in one confined child, and prints how much each process has open and holds, before and
after, as JSON.
"""

import json
import random
import sys
from contextlib import suppress
from dataclasses import replace

import psutil

from processors.images.decoder import CONFINED, Decoder
from processors.images.errors import ImageRefused
from tests.hostile.corpus import Odd, files


def main() -> None:
    """Decode, and print what was open and held before and after."""
    first, more = (int(count) for count in sys.argv[1:])
    odds = files()
    mixed = random.Random(3)
    # One child for all, so that what a library forgets to give back would add up.
    lasting = replace(CONFINED, requests=len(odds) + first + more + 1)
    with Decoder(sandbox=lasting) as decoder:
        decoder.warm()
        # Each library is loaded, each allocator has had its largest.
        take(decoder, [*odds, *mixed.choices(odds, k=first)])
        before = held()
        take(decoder, mixed.choices(odds, k=more))
        json.dump({"before": before, "after": held()}, sys.stdout)


def take(decoder: Decoder, odds: list[Odd]) -> None:
    """Decode each, whatever it gives."""
    for odd in odds:
        with suppress(ImageRefused):
            decoder.decode(odd.data)


def held() -> dict[str, dict[str, int]]:
    """Tell what this process and the one that decodes have open, and their memory in bytes."""
    here = psutil.Process()
    (child,) = here.children()
    return {
        name: {"open": process.num_fds(), "bytes": process.memory_info().rss}
        for name, process in (("here", here), ("child", child))
    }


if __name__ == "__main__":
    main()
