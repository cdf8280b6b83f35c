"""`python -m bench`: every benchmark, one after the other."""

import itertools

from bench import admission, dispatch, entering, intake, pipeline, upscale
from bench.figures import show

if __name__ == "__main__":
    show(
        itertools.chain(
            upscale.run(),
            intake.run(),
            admission.run(),
            dispatch.run(),
            entering.run(),
            pipeline.run(),
        )
    )
