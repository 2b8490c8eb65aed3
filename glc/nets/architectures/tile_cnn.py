"""Species from tiles: two convolutions over the low DCT coefficients, or the pixels, of every band around a survey.

Miyaguchi et al. 2024, section 5.2.1.
"""

from typing import TYPE_CHECKING

import torch
from torch import nn

from glc.config import Count, Dropout, require, section
from glc.errors import ConfigError
from glc.nets.architectures._base import Net
from glc.nets.layers.heads import start_at_frequencies
from glc.nets.layers.maps import Maps, common_size
from glc.registry import models
from glc.training import timm_nets
from glc.training import weights as weight_files
from glc.types import MemberOptions

if TYPE_CHECKING:
    from glc.nets.inputs.features import Layout
    from glc.nets.inputs.summary import Summary


class Encoder(nn.Module):
    """Imagery to the latent space: a batch, a dict of tensors, to (batch, latent) float32.

    3x3 convolution with padding, 1x1 convolution, batch norm and ReLU after each, linear to the latent; or a `backbone`
    of timm in place of the convolutions. Maps of more than grid x grid are averaged down to that before the linear
    layer, which at 128 x 128 would else have 10^8 weights.

    layouts : dict of input name -> `Layout`; the other arguments are those of `TileCnn.Options`
    """

    def __init__(
        self,
        layouts,
        *,
        channels=64,
        reduced=32,
        latent=256,
        expand=False,
        symmetries=True,
        grid=8,
        backbone="cnn",
        weights="",
    ):
        super().__init__()
        self.maps = Maps(layouts, symmetries, common_size(layouts) if expand else 0)
        self._backbone, self._weights = backbone, weights
        self.latent = latent
        if backbone == "cnn":
            rows, cols = self.maps.rows, self.maps.cols
            pool = []
            if max(rows, cols) > grid:
                pool, rows, cols = [nn.AdaptiveAvgPool2d(grid)], grid, grid
            self.layers = nn.Sequential(
                nn.Conv2d(self.maps.channels, channels, 3, padding=1, bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU(inplace=True),
                nn.Conv2d(channels, reduced, 1, bias=False),
                nn.BatchNorm2d(reduced),
                nn.ReLU(inplace=True),
                *pool,
                nn.Flatten(),
            )
            width = reduced * rows * cols
        else:
            self.layers, width = timm_nets.backbone(backbone, self.maps.channels)
        self.linear = nn.Linear(width, latent)

    def prepare(self, summary):
        """Take the moments of the inputs from `summary`, and the weights of a timm backbone with their scale of RGB."""
        self.maps.prepare(summary)
        if weight_files.named(self._weights):  # here, for a trained checkpoint must load where that file is not
            weight_files.take(self.layers, self._weights, self._backbone, self.maps.bands)
            self.maps.normalise(*weight_files.normalisation(self.layers))

    def forward(self, batch):
        maps = self.maps(batch).contiguous(memory_format=torch.channels_last)  # a third less time on a CPU
        # the last batch of an epoch may be one survey, which has no statistics of its own where maps shrink to 1 x 1
        alone = self.training and len(maps) == 1
        if alone:
            self.layers.eval()
        features = self.layers(maps)
        if alone:
            self.layers.train()
        return self.linear(features)


@section
class Widths:
    """Options of every net of these convolutions. The paper gives the latent's width; the others are ours."""

    channels: Count = 64
    """Channels of the 3x3 convolution."""
    reduced: Count = 32
    """Channels of the 1x1 convolution."""
    latent: Count = 256
    """Units of the linear layer."""
    dropout: Dropout = 0.0
    """Share of latent units that is dropped while training."""
    prior: bool = True
    """Start the last layer's bias at each class's log-odds among the training examples (ours)."""


class Encoded(Net):
    """A net that is an `Encoder`, a batch to (batch, latent), and a `head`, latent to logits."""

    encoder: Encoder
    head: nn.Sequential

    def prepare(self, summary: "Summary") -> None:
        """Take the moments of the inputs and, for `prior`, the class counts from the training examples' `summary`."""
        self.encoder.prepare(summary)
        if self.options.prior:
            start_at_frequencies(self.head[-1], summary)

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return self.head(self.encoder(batch))


@models.register("tile_cnn")
class TileCnn(Encoded):
    """Convolutions over tiles, as coefficients or pixels, with cubes as constant maps.

    Logits (batch, class) float32 of the tiles in a batch, and of cubes as constant maps next to them.

    encoder : what tile2vec pretrains
    """

    @section
    class Options(Widths):
        """What the maps are, and their widths."""

        expand: bool = False
        """Learn from the pixels (128 x 128 as published) that the coefficients are expanded to, not from them."""
        backbone: str = "cnn"
        """cnn, or a convolutional net of timm in place of the convolutions, such as tf_efficientnetv2_s."""
        weights: str = ""
        """Pre-trained weights of a timm backbone: a file, or a folder with <its name>.safetensors or .pth; random:
        none; empty: the folder of the command line, if it names one."""
        symmetries: bool = True
        """While training, turn and mirror every survey's tiles at random (section 4.4)."""
        grid: Count = 8
        """Larger maps are averaged to grid x grid before the linear layer (ours)."""

        def __post_init__(self) -> None:
            require(not (self.weights and self.backbone == "cnn"), "weights", self, "none but of a timm backbone")

    @classmethod
    def backbone(cls, options: MemberOptions) -> tuple[str, float]:
        return ("" if options.backbone == "cnn" else options.backbone), 1.0

    def __init__(self, options: MemberOptions, n_classes: int, layouts: "dict[str, Layout]") -> None:
        super().__init__(options, n_classes, layouts)
        if not layouts:
            raise ConfigError("inputs: found none, expected imagery to read; add an [[inputs]] table")
        settings = vars(options).copy()
        dropout, _ = settings.pop("dropout"), settings.pop("prior")
        self.encoder = Encoder(layouts, **settings)
        self.head = head(options.latent, dropout, n_classes)


def head(latent, dropout, n_classes):
    """The classifier: ReLU, dropout and one linear layer, (batch, latent) to logits (batch, class).

    The paper's text has the linear layer alone. The ReLU is ours, as the dropout; the authors' code has one there, too.
    """
    return nn.Sequential(nn.ReLU(), nn.Dropout(dropout), nn.Linear(latent, n_classes))
