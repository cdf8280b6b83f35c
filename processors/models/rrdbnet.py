"""RRDBNet, the network of ESRGAN and Real-ESRGAN's x4plus models.

Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks" (2018), and
"Real-ESRGAN" (2021). Module names are upstream's, so that its state dicts load as they are.
The forward pass writes in place and is meant for inference alone.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

_SLOPE = 0.2
_RESIDUAL = 0.2


class ResidualDenseBlock(nn.Module):
    """Five convolutions, each fed with all that came before it."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, growth, 3, 1, 1)
        self.conv2 = nn.Conv2d(features + growth, growth, 3, 1, 1)
        self.conv3 = nn.Conv2d(features + 2 * growth, growth, 3, 1, 1)
        self.conv4 = nn.Conv2d(features + 3 * growth, growth, 3, 1, 1)
        self.conv5 = nn.Conv2d(features + 4 * growth, features, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of `x`, (N, features, H, W)."""
        seen = x
        for convolution in (self.conv1, self.conv2, self.conv3, self.conv4):
            grown = functional.leaky_relu_(convolution(seen), _SLOPE)
            seen = torch.cat((seen, grown), dim=1)
        residual: Tensor = self.conv5(seen)
        return residual.mul_(_RESIDUAL).add_(x)


class RRDB(nn.Module):
    """Three dense blocks inside one residual."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.rdb1 = ResidualDenseBlock(features, growth)
        self.rdb2 = ResidualDenseBlock(features, growth)
        self.rdb3 = ResidualDenseBlock(features, growth)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of `x`, (N, features, H, W)."""
        residual: Tensor = self.rdb3(self.rdb2(self.rdb1(x)))
        return residual.mul_(_RESIDUAL).add_(x)


class RRDBNet(nn.Module):
    """Enlarge RGB pictures four times.

    `blocks` is 23 for x4plus and 6 for x4plus-anime.
    """

    scale = 4

    def __init__(self, blocks: int, features: int = 64, growth: int = 32) -> None:
        super().__init__()
        self.conv_first = nn.Conv2d(3, features, 3, 1, 1)
        self.body = nn.Sequential(*(RRDB(features, growth) for _ in range(blocks)))
        self.conv_body = nn.Conv2d(features, features, 3, 1, 1)
        self.conv_up1 = nn.Conv2d(features, features, 3, 1, 1)
        self.conv_up2 = nn.Conv2d(features, features, 3, 1, 1)
        self.conv_hr = nn.Conv2d(features, features, 3, 1, 1)
        self.conv_last = nn.Conv2d(features, 3, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, 3, 4H, 4W) for `x` of (N, 3, H, W), RGB in 0..1; not clipped.

        Computes in the precision of the weights.
        """
        first: Tensor = self.conv_first(x.to(self.conv_first.weight.dtype))
        features: Tensor = self.conv_body(self.body(first)).add_(first)
        features = _activated(self.conv_up1, _doubled(features))
        features = _activated(self.conv_up2, _doubled(features))
        last: Tensor = self.conv_last(_activated(self.conv_hr, features))
        return last


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="nearest")


def _activated(convolution: nn.Conv2d, x: Tensor) -> Tensor:
    return functional.leaky_relu_(convolution(x), _SLOPE)
