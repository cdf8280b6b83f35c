"""`python -m bench`: every benchmark, one after the other."""

import itertools

from bench import admission, dispatch, intake, pipeline, upscale
from bench.figures import show

if __name__ == "__main__":
    show(
        itertools.chain(
            upscale.run(), intake.run(), admission.run(), dispatch.run(), pipeline.run()
        )
    )
