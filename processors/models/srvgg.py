"""SRVGGNetCompact, the small network of Real-ESRGAN's animevideov3 models.

A plain stack of convolutions at input size, then a pixel shuffle. Module names are upstream's
(github.com/xinntao/Real-ESRGAN), so that its state dicts load as they are.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class SRVGGNetCompact(nn.Module):
    """Enlarge RGB pictures `scale` times.

    `convolutions` counts those between the first and the last: 16 for animevideov3, 32 for
    realesr-general-x4v3. The network itself enlarges `native` times; a smaller `scale` is reached
    by bicubic reduction, as animevideov3 does for 2 and 3.
    """

    def __init__(
        self, convolutions: int = 16, features: int = 64, scale: int = 4, native: int = 4
    ) -> None:
        super().__init__()
        self.scale = scale
        self.native = native
        first = nn.Conv2d(3, features, 3, 1, 1)
        self.body = nn.ModuleList([first, nn.PReLU(features)])
        for _ in range(convolutions):
            self.body.append(nn.Conv2d(features, features, 3, 1, 1))
            self.body.append(nn.PReLU(features))
        self.body.append(nn.Conv2d(features, 3 * native * native, 3, 1, 1))
        self.upsampler = nn.PixelShuffle(native)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, 3, scale·H, scale·W) in fp32 for `x` of (N, 3, H, W), RGB in 0..1.

        Not clipped. The convolutions run in the precision of the weights.
        """
        out = x.to(next(self.parameters()).dtype)
        for layer in self.body:
            out = layer(out)
        # The network learns what is missing from the nearest-neighbour enlargement, whose pixels
        # are those of the picture. The sum is taken in fp32: in half precision it would round
        # the picture itself.
        missing = torch.unflatten(out.float(), 1, (3, -1))
        enlarged: Tensor = self.upsampler((missing + x.float().unsqueeze(2)).flatten(1, 2))
        if self.scale == self.native:
            return enlarged
        height, width = x.shape[2:]
        size = (height * self.scale, width * self.scale)
        return functional.interpolate(enlarged, size=size, mode="bicubic")
