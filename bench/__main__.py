"""`python -m bench`: the pipeline's benchmarks, one after the other."""

import itertools

from bench import admission, dispatch, entering, intake, pipeline
from bench.figures import show

if __name__ == "__main__":
    show(
        itertools.chain(
            intake.run(),
            admission.run(),
            dispatch.run(),
            entering.run(),
            pipeline.run(),
        )
    )
