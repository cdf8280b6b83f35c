"""Upconv7, the light network of waifu2x's photo and anime models.

Six convolutions without padding and a transposed one that doubles (github.com/nagadomi/waifu2x,
`upconv_7`). The order of its state dict is that of the layers in ncnn's files.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

_FEATURES = (3, 16, 32, 64, 128, 128, 256)
_SLOPE = 0.1
_LOST = 7
"""Input pixels that the network uses up on each side."""


class Upconv7(nn.Module):
    """Enlarge RGB pictures twice; some of its weights take out noise as well."""

    scale = 2

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 3) for inputs, outputs in pairwise(_FEATURES)
        )
        self.up = nn.ConvTranspose2d(_FEATURES[-1], 3, 4, stride=2, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, 3, 2H, 2W) for `x` of (N, 3, H, W), RGB in 0..1; not clipped.

        Past its edges the picture is taken to go on as it ends. Computes in the precision of the
        weights.
        """
        features = functional.pad(x.to(self.up.weight.dtype), (_LOST,) * 4, mode="replicate")
        for convolution in self.body:
            features = functional.leaky_relu_(convolution(features), _SLOPE)
        return _doubled(features, self.up)


def _doubled(x: Tensor, up: nn.ConvTranspose2d) -> Tensor:
    """Return `up(x)` by a convolution, which runs in less than half the time.

    Each output pixel is a sum over 2 x 2 input pixels, with another quarter of the kernel for
    each of the four places that it may have: twelve channels, shuffled, without the outermost
    pixels, to which the first and last row and column of `x` alone would lead.
    """
    taps = torch.tensor(((2, 0), (3, 1)))
    quarters = up.weight[:, :, taps][..., taps].permute(1, 2, 4, 0, 3, 5).flatten(0, 2)
    bias = None if up.bias is None else up.bias.repeat_interleave(4)
    shuffled = functional.pixel_shuffle(functional.conv2d(x, quarters, bias), 2)
    return shuffled[:, :, 1:-1, 1:-1]
