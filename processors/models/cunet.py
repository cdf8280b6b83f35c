"""CUNet, the cascaded U-Nets of waifu2x.

Two small U-Nets without padding; the second corrects the first (github.com/nagadomi/nunif,
`waifu2x.cunet`). Four blocks weigh their channels by means over the whole picture ("Squeeze-and-
Excitation Networks", Hu et al. 2018). The order of the state dict is that of the layers in
ncnn's files.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

_SLOPE = 0.1
_MULTIPLE = 4
_LOST = {1: 28, 2: 18}
"""Input pixels that the network uses up on each side, by scale."""


class Weighed(nn.Module):
    """Multiplies each channel by a number out of the means of all channels."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(features, features // 8)
        self.excite = nn.Linear(features // 8, features)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of `x`, (N, features, H, W)."""
        # A mean over many thousand pixels in half precision would lose what it is taken for.
        means = x.mean(dim=(2, 3), dtype=torch.float32).to(x.dtype)
        weights: Tensor = self.excite(functional.relu_(self.squeeze(means))).sigmoid_()
        return x * weights[:, :, None, None]


class Convolved(nn.Module):
    """Two convolutions, then the weighing of channels where there is one."""

    def __init__(self, inputs: int, between: int, outputs: int, *, weighed: bool) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, between, 3)
        self.second = nn.Conv2d(between, outputs, 3)
        self.weighed = Weighed(outputs) if weighed else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, outputs, H - 4, W - 4) for `x` of (N, inputs, H, W)."""
        features = _activated(self.second, _activated(self.first, x))
        weighed: Tensor = self.weighed(features)
        return weighed


class ShallowUNet(nn.Module):
    """A U-Net that halves once. Gives `scale` times its input less what it uses up."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.enter = Convolved(3, 32, 64, weighed=False)
        self.down = nn.Conv2d(64, 64, 2, stride=2)
        self.deep = Convolved(64, 128, 64, weighed=True)
        self.up = nn.ConvTranspose2d(64, 64, 2, stride=2)
        self.leave = nn.Conv2d(64, 64, 3)
        self.last = (
            nn.Conv2d(64, 3, 3) if scale == 1 else nn.ConvTranspose2d(64, 3, 4, stride=2, padding=3)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, 3, H - 16, W - 16) for `x` of (N, 3, H, W); at scale 2, (…, 2H - 36, …)."""
        entered = self.enter(x)
        features = _activated(self.up, self.deep(_activated(self.down, entered)))
        features += _cropped(entered, 4)
        out: Tensor = self.last(_activated(self.leave, features))
        return out


class DeepUNet(nn.Module):
    """A U-Net that halves twice."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = Convolved(3, 32, 64, weighed=False)
        self.down = nn.Conv2d(64, 64, 2, stride=2)
        self.deep = Convolved(64, 64, 128, weighed=True)
        self.deeper_down = nn.Conv2d(128, 128, 2, stride=2)
        self.deepest = Convolved(128, 256, 128, weighed=True)
        self.deeper_up = nn.ConvTranspose2d(128, 128, 2, stride=2)
        self.rise = Convolved(128, 64, 64, weighed=True)
        self.up = nn.ConvTranspose2d(64, 64, 2, stride=2)
        self.leave = nn.Conv2d(64, 64, 3)
        self.last = nn.Conv2d(64, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, 3, H - 40, W - 40) for `x` of (N, 3, H, W)."""
        entered = self.enter(x)
        deep = self.deep(_activated(self.down, entered))
        features = _activated(self.deeper_up, self.deepest(_activated(self.deeper_down, deep)))
        features += _cropped(deep, 4)
        features = _activated(self.up, self.rise(features))
        features += _cropped(entered, 16)
        out: Tensor = self.last(_activated(self.leave, features))
        return out


class CUNet(nn.Module):
    """Take noise out of RGB pictures, at `scale` 1 or 2."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.first = ShallowUNet(scale)
        self.second = DeepUNet()

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, 3, scale·H, scale·W) for `x` of (N, 3, H, W), RGB in 0..1; not clipped.

        Past its edges the picture is taken to go on as it ends. Computes in the precision of the
        weights.
        """
        height, width = x.shape[2:]
        lost = _LOST[self.scale]
        padding = (lost, lost + -width % _MULTIPLE, lost, lost + -height % _MULTIPLE)
        padded = functional.pad(x.to(self.second.last.weight.dtype), padding, mode="replicate")
        coarse = self.first(padded)
        mended: Tensor = self.second(coarse) + _cropped(coarse, 20)
        return mended[:, :, : self.scale * height, : self.scale * width]


def _activated(layer: nn.Module, x: Tensor) -> Tensor:
    return functional.leaky_relu_(layer(x), _SLOPE)


def _cropped(x: Tensor, by: int) -> Tensor:
    return x[:, :, by:-by, by:-by]
