"""Species from whole patches: Inception v3 that sees them at full resolution, as the 2020 system of Inria.

Deneu et al. 2020, section 3.2. The first two convolutions keep the map's size where those of Inception v3 halve it, so
a patch of 256 x 256 costs 4.6 times what it would there: 36 GFLOP forward, over 100 to train on
(``python -m glc.bench.inception`` prints it for each size). Inception v3 is torchvision's (Szegedy et al. 2016),
without its auxiliary head and from random weights.
"""

from typing import TYPE_CHECKING, Annotated

import numpy as np
import torch
from annotated_types import Ge, Le
from torch import nn
from torch.nn import functional as F
from torchvision.models.inception import BasicConv2d, Inception3

from glc.config import Dropout, Natural, Share, section
from glc.covariates.landcover_patches import CLASSES as CODES
from glc.errors import ConfigError
from glc.nets.architectures._base import Net
from glc.nets.inputs import damage
from glc.nets.layers.heads import start_at_frequencies
from glc.nets.layers.maps import Maps
from glc.registry import models
from glc.types import Facts, MemberOptions

if TYPE_CHECKING:
    from glc.nets.inputs.features import Features, Layout
    from glc.nets.inputs.summary import Summary
    from glc.surveys import SurveyData


WIDTH = 2048  # of the representation
_PIXELS = 1 << 21  # predicted at a time: a layer of the stem then takes half a gigabyte


@models.register("inception")
class Inception(Net):
    """Inception v3 on the pixels of tiles.

    Logits (batch, class) float32 of the pixels in a batch, all bands as channels of one map.

    Batch norm's running moments need some 30 steps to settle; a net evaluated before gives logits beyond all measure.

    layouts : dict of input name -> `Layout` of tiles with block = 0; bands are standardised by their
        training moments, what is missing takes the mean
    at_once : surveys that are predicted together, in a memory of a few gigabytes
    """

    trial = {"dropout": 0.0}

    @section
    class Options:
        """What the net sees, and dropout; widths and depths are the published ones."""

        resize: Natural = 0
        """Side in pixels that the map is brought to (each pixel the mean of those it covers); 0: as it is."""
        stem_stride: Annotated[int, Ge(1), Le(2)] = 1
        """Stride of the first convolution: 1 as published; 2 as of Inception v3 itself, for a CPU."""
        unstack: str = ""
        """An input of one band of codes 0 to 33, landcover_patches, that becomes 34 layers of zeros and ones (all zeros
        for any other code, and where it is missing). Empty: its code is a number, as in the published runs."""
        dropout: Dropout = 0.5
        """Share of the 2,048 features before the classifier that is dropped while training."""
        prior: bool = False
        """Start the classifier at each class's frequency among the training examples (ours). Its published weights, 0.1
        wide, guess at random with a loss far above that; a short schedule takes half its epochs to unlearn it."""

    @section
    class Prediction:
        """What the runs of 2020 did to their predictions."""

        dropout: bool = False
        """Keep dropout on (run 2)."""
        damaged_country: str = ""
        """Country of whose surveys a share `damaged` has its patches damaged (run 4); empty: none."""
        damaged: Share = 0.5
        """Share of the surveys of `damaged_country`."""

    def __init__(self, options: MemberOptions, n_classes: int, layouts: "dict[str, Layout]") -> None:
        super().__init__(options, n_classes, layouts)
        wrong = [f"{name} ({layout.kind})" for name, layout in layouts.items() if layout.kind != "pixels"]
        if wrong or not layouts:
            raise ConfigError(
                f"inputs: found {', '.join(wrong) or 'none'}, expected pixels alone for the model 'inception'; give "
                "[[inputs]] tables of tiles, each with block = 0"
            )
        self.maps = Maps(
            {name: layout for name, layout in layouts.items() if name != options.unstack}, symmetries=False
        )
        channels = self.maps.channels + self._layers(layouts)
        side = options.resize or min(self.maps.rows, self.maps.cols)
        if side < least_side(options.stem_stride):
            raise ConfigError(
                f"inputs: found maps of {side} pixels, expected {least_side(options.stem_stride)} or more for "
                f"stem_stride = {options.stem_stride}; give larger tiles (size), or resize"
            )
        self._one_pixel = side < least_side(options.stem_stride, left=2)
        self.at_once = max(1, _PIXELS // max(self.maps.rows * self.maps.cols, side**2))
        self.body = body(channels, options.stem_stride)
        self.dropout = nn.Dropout(options.dropout)
        self.head = nn.Linear(WIDTH, n_classes)
        for module in self.modules():  # as torchvision initialises its own
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.1, a=-2, b=2)

    def _layers(self, layouts):
        """How many layers the input that is unstacked becomes."""
        name = self.options.unstack
        if not name:
            return 0
        if name not in layouts or len(layouts[name].bands) != 1:
            inputs = ", ".join(f"{key} ({len(layout.bands)} bands)" for key, layout in layouts.items())
            raise ConfigError(
                f"unstack: found {name!r} with the inputs {inputs}, expected one of them, with a single band"
            )
        if layouts[name].shape[1:] != (self.maps.rows, self.maps.cols):
            raise ConfigError(f"unstack: {name} is not of the other inputs' size; give all one `size`")
        return CODES

    def prepare(self, summary: "Summary") -> None:
        """Take the moments of the inputs over the training examples from ``summary.inputs``."""
        self.maps.prepare(summary)
        if self.options.prior:
            start_at_frequencies(self.head, summary, softmax=True)
            nn.init.zeros_(self.head.weight)

    def features(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """What the classifier reads, (batch, 2048), before dropout."""
        x = self.maps(batch)
        if self.options.unstack:
            codes = torch.arange(CODES, device=x.device)[:, None, None]
            x = torch.cat([x, (batch[self.options.unstack] == codes).to(x.dtype)], dim=1)
        if self.options.resize and x.shape[-2:] != (self.options.resize,) * 2:
            x = F.interpolate(x, (self.options.resize,) * 2, mode="area")
        x = x.contiguous(memory_format=torch.channels_last)
        # the last batch of an epoch may be one survey, which has no statistics of its own where maps shrink to 1 x 1
        last = [self.body.Mixed_7a, self.body.Mixed_7b, self.body.Mixed_7c] if self._one_pixel else []
        alone = self.training and len(x) == 1
        for module in last:
            module.train(self.training and not alone)
        x = self.body(x)
        for module in last:
            module.train(self.training)
        return x

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return self.head(self.dropout(self.features(batch)))

    @classmethod
    def prediction_features(
        cls, features: "Features | None", data: "SurveyData", prediction: MemberOptions
    ) -> "tuple[Features | None, Facts]":
        """Damage the patches that `prediction` asks for; the facts count the surveys."""
        if not prediction.damaged_country:
            return features, {}
        keys = damage.chosen(data, prediction.damaged_country, prediction.damaged)
        return damage.Damaged(features, keys), {"damaged": len(keys)}

    def logits(self, batch: dict[str, torch.Tensor], prediction: MemberOptions) -> torch.Tensor:
        return self.dropped(batch) if prediction.dropout else self(batch)

    def dropped(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Logits with dropout on (run 2), by a random half of the features of each survey.

        What a survey loses follows from its id alone: the same weights give the same scores.
        """
        x, keep = self.features(batch), 1 - self.options.dropout
        ids = torch.stack([batch["dataset"], batch["surveyId"]], dim=1).cpu().numpy().astype(np.uint64)
        kept = np.stack([np.random.default_rng(key).random(WIDTH) < keep for key in ids])
        return self.head(x * torch.as_tensor(kept, dtype=x.dtype, device=x.device) / keep)


def body(channels: int, stem_stride: int = 1) -> nn.Module:
    """Inception v3 of maps (batch, channels, row, col) without its classifier, (batch, 2048), its stem as published."""
    net = Inception3(num_classes=1, aux_logits=False, init_weights=False)
    net.Conv2d_1a_3x3 = BasicConv2d(channels, 32, kernel_size=3, stride=stem_stride, padding=1)
    net.Conv2d_2a_3x3 = BasicConv2d(32, 32, kernel_size=3, stride=1, padding=1)
    net.dropout = net.fc = nn.Identity()
    return net


def least_side(stem_stride=1, left=1):
    """The smallest side in pixels of which `left` pixels are left at the end."""
    side = left
    for stride in (2, 2, 2, 1, 2):  # those that shrink, from the last: 7a, 6a, pool 2, 4a, pool 1; 3 x 3, no padding
        side = stride * (side - 1) + 3
    return stem_stride * (side - 1) + 1
