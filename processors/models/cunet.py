"""CUNet, the cascaded U-Nets of waifu2x.

Two small U-Nets without padding; the second corrects the first (github.com/nagadomi/nunif,
`waifu2x.cunet`). Four blocks weigh their channels by means over the whole picture ("Squeeze-and-
Excitation Networks", Hu et al. 2018). The order of the state dict is that of the layers in
ncnn's files.

Tiles that take means over themselves differ from one another: on a photograph with noise of
σ 25, at strength 3, tiles of 256 pixels equalled the whole at 40 dB, with steps of up to 30
levels between them. So the means of a large picture are taken once, over samples of it
(`CUNet.survey`), and handed to every tile.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from processors.models.survey import Survey

_SLOPE = 0.1
_USED_UP = {1: 28, 2: 18}
"""Input pixels that the network uses up on each side, by scale."""

_MeansOf = Callable[[Tensor], Tensor]
"""Gives, for (N, C, H, W), the means to weigh channels by: (N, C), or (1, C) for all."""


class Weighed(nn.Module):
    """Multiplies each channel by a number that the means of all channels decide."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(features, features // 8)
        self.excite = nn.Linear(features // 8, features)

    def forward(self, x: Tensor, means_of: _MeansOf) -> Tensor:
        """Return a tensor of the shape of `x`, (N, features, H, W)."""
        means = means_of(x).to(x.dtype)
        weights: Tensor = self.excite(functional.relu_(self.squeeze(means))).sigmoid_()
        return x * weights[:, :, None, None]


class Convolved(nn.Module):
    """Two convolutions."""

    def __init__(self, inputs: int, between: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, between, 3)
        self.second = nn.Conv2d(between, outputs, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, outputs, H - 4, W - 4) for `x` of (N, inputs, H, W)."""
        return _activated(self.second, _activated(self.first, x))


class ShallowUNet(nn.Module):
    """A U-Net that halves once."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.enter = Convolved(3, 32, 64)
        self.down = nn.Conv2d(64, 64, 2, stride=2)
        self.deep = Convolved(64, 128, 64)
        self.deep_weighed = Weighed(64)
        self.up = nn.ConvTranspose2d(64, 64, 2, stride=2)
        self.leave = nn.Conv2d(64, 64, 3)
        self.last = (
            nn.Conv2d(64, 3, 3) if scale == 1 else nn.ConvTranspose2d(64, 3, 4, 2, padding=3)
        )

    def forward(self, x: Tensor, means_of: _MeansOf) -> Tensor:
        """Return (N, 3, H - 16, W - 16) for `x` of (N, 3, H, W); at scale 2, (…, 2H - 36, …)."""
        entered = self.enter(x)
        deep = self.deep_weighed(self.deep(_activated(self.down, entered)), means_of)
        features = _activated(self.up, deep).add_(_cropped(entered, 4))
        out: Tensor = self.last(_activated(self.leave, features))
        return out


class DeepUNet(nn.Module):
    """A U-Net that halves twice."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = Convolved(3, 32, 64)
        self.down = nn.Conv2d(64, 64, 2, stride=2)
        self.deep = Convolved(64, 64, 128)
        self.deep_weighed = Weighed(128)
        self.deeper_down = nn.Conv2d(128, 128, 2, stride=2)
        self.deepest = Convolved(128, 256, 128)
        self.deepest_weighed = Weighed(128)
        self.deeper_up = nn.ConvTranspose2d(128, 128, 2, stride=2)
        self.rise = Convolved(128, 64, 64)
        self.rise_weighed = Weighed(64)
        self.up = nn.ConvTranspose2d(64, 64, 2, stride=2)
        self.leave = nn.Conv2d(64, 64, 3)
        self.last = nn.Conv2d(64, 3, 3)

    def forward(self, x: Tensor, means_of: _MeansOf) -> Tensor:
        """Return (N, 3, H - 40, W - 40) for `x` of (N, 3, H, W)."""
        entered = self.enter(x)
        deep = self.deep_weighed(self.deep(_activated(self.down, entered)), means_of)
        deepest = self.deepest(_activated(self.deeper_down, deep))
        features = _activated(self.deeper_up, self.deepest_weighed(deepest, means_of))
        risen = self.rise(features.add_(_cropped(deep, 4)))
        features = _activated(self.up, self.rise_weighed(risen, means_of))
        features.add_(_cropped(entered, 16))
        out: Tensor = self.last(_activated(self.leave, features))
        return out


class CUNet(nn.Module):
    """Take noise out of RGB pictures, at `scale` 1 or 2."""

    multiple = 4

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.margin = _USED_UP[scale]
        self.first = ShallowUNet(scale)
        self.second = DeepUNet()

    def forward(self, x: Tensor, survey: Survey | None = None) -> Tensor:
        """Return (N, 3, scale·H, scale·W) for `x` of (N, 3, H, W), RGB in 0..1; not clipped.

        Past its edges the picture is taken to go on as it ends. Without a survey each picture
        is weighed by means over itself. Computes in the precision of the weights.
        """
        height, width = x.shape[2:]
        right, bottom = -width % self.multiple, -height % self.multiple
        padding = (self.margin, self.margin + right, self.margin, self.margin + bottom)
        padded = functional.pad(self._cast(x), padding, mode="replicate")
        mended = self._mended(padded, _own_means if survey is None else _given_means(survey))
        return mended[:, :, : self.scale * height, : self.scale * width]

    def survey(self, samples: Tensor) -> Survey:
        """Return the means over all of `samples`, (N, 3, H, W), for tiles of the same picture.

        Samples come with the margin that the network uses up, see `survey.samples_of`.
        """
        taken: list[Tensor] = []

        def take(x: Tensor) -> Tensor:
            taken.append(_own_means(x).mean(dim=0, keepdim=True))
            return taken[-1]

        self._mended(self._cast(samples), take)
        return tuple(taken)

    def _cast(self, x: Tensor) -> Tensor:
        return x.to(self.second.last.weight.dtype)

    def _mended(self, padded: Tensor, means_of: _MeansOf) -> Tensor:
        coarse = self.first(padded, means_of)
        mended: Tensor = self.second(coarse, means_of).add_(_cropped(coarse, 20))
        return mended


def _own_means(x: Tensor) -> Tensor:
    # A mean over many thousand pixels in half precision would lose what it is taken for.
    return x.mean(dim=(2, 3), dtype=torch.float32)


def _given_means(survey: Survey) -> _MeansOf:
    left = iter(survey)
    return lambda _x: next(left)


def _activated(layer: nn.Module, x: Tensor) -> Tensor:
    return functional.leaky_relu_(layer(x), _SLOPE)


def _cropped(x: Tensor, by: int) -> Tensor:
    return x[:, :, by:-by, by:-by]
