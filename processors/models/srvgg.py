"""SRVGGNetCompact, the small network of Real-ESRGAN's animevideov3 models.

A plain stack of convolutions at input size, then a pixel shuffle. Module names are upstream's
(github.com/xinntao/Real-ESRGAN), so that its state dicts load as they are.
"""

from torch import Tensor, nn
from torch.nn import functional


class SRVGGNetCompact(nn.Module):
    """Enlarge RGB pictures `scale` times.

    `convolutions` counts those between the first and the last: 16 for animevideov3, 32 for
    realesr-general-x4v3.
    """

    def __init__(self, convolutions: int = 16, features: int = 64, scale: int = 4) -> None:
        super().__init__()
        self.scale = scale
        self.body = nn.ModuleList([nn.Conv2d(3, features, 3, 1, 1), nn.PReLU(features)])
        for _ in range(convolutions):
            self.body.append(nn.Conv2d(features, features, 3, 1, 1))
            self.body.append(nn.PReLU(features))
        self.body.append(nn.Conv2d(features, 3 * scale * scale, 3, 1, 1))
        self.upsampler = nn.PixelShuffle(scale)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, 3, scale·H, scale·W) for `x` of (N, 3, H, W), RGB in 0..1; not clipped."""
        out = x
        for layer in self.body:
            out = layer(out)
        enlarged: Tensor = self.upsampler(out)
        # The network learns what is missing from the nearest-neighbour enlargement.
        return enlarged + functional.interpolate(x, scale_factor=self.scale, mode="nearest")
