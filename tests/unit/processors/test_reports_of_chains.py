"""The report of a chain tells of its steps together."""

import numpy as np

from processors.images.image import Image
from processors.operations.enhance import Enhance
from processors.operations.result import Report, Restored, Used
from schemas.operations import EnhanceParameters, ImageFormat, Parameters, RestoreParameters


def test_a_chain_ran_where_its_network_ran_however_many_strips_it_had_besides() -> None:
    picture = Image(np.zeros((8, 8, 3), np.uint8), None, None, ImageFormat.PNG, (8, 8))

    def step(parameters: Parameters, image: Image, *_: object, **__: object) -> Restored:
        if isinstance(parameters, RestoreParameters):
            by_network = (Used("waifu2x", "0" * 64),)
            report = Report(by_network, (8, 8), (8, 8), 1, device="cuda", precision="fp16")
        else:
            report = Report((Used("classical"),), (8, 8), (8, 8), 40)
        return Restored(image, report)

    report = (
        Enhance(step)
        .run(
            picture,
            EnhanceParameters(kind="old-photo"),
            None,
            progress=lambda *_: None,
            should_stop=lambda: False,
        )
        .report
    )

    assert (report.device, report.precision, report.tiles) == ("cuda", "fp16", 81)
