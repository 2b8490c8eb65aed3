"""Tighnari: images, time series, tables and graph features, each through its encoder, fused by cross-attention.

Liu et al. 2024, sections 3.3 to 3.5. The inputs' kinds say which part each plays: pixels and coeffs are the image,
cubes the time series, table and graph what they are called; any may be left out, and a survey may lack any. Tiles of
several sizes, such as raster windows and satellite images, have a net of images per size (ours). Votes of
the surveys around (ours, `NeighbourVotes`) go past the fusion straight to the logits.

The organisers' baseline is in the options too: an experiment with inputs of four bands of pixels and the two cubes, and
``temporal = "resnet18"  image = "swin_tiny_patch4_window7_224"  fusion = "concat"  hidden = 4096  dropout = 0.1``.
Its encoders' own classifiers of 1,000 units and their norms are left out, and its inputs are standardised by training
moments in place of a norm.
"""

import math
from typing import TYPE_CHECKING, Annotated, Literal

import torch
from annotated_types import Ge, MultipleOf
from torch import nn

from glc.config import Count, Dropout, Natural, NotNegative, Positive, Rate, require, section
from glc.errors import ConfigError
from glc.nets.architectures._base import Net
from glc.nets.layers.hcam import Concat, Hcam, compressed
from glc.nets.layers.heads import start_at_frequencies
from glc.registry import models
from glc.types import MemberOptions

if TYPE_CHECKING:
    from glc.nets.inputs.features import Layout
    from glc.nets.inputs.summary import Summary


PART = {"pixels": "image", "coeffs": "image", "cube": "temporal", "table": "table", "graph": "graph"}


@models.register("tighnari")
class Tighnari(Net):
    """Images, series, cubes, values and graph vectors fused by cross-attention, or concatenated.

    Logits (batch, class) float32 of the inputs in a batch, (batch, band, row, col) with NaN where missing.

    encoders : by part; fusion : their `Encoded` to one vector; head : dropout and the last linear layer of eq. 8
    votes : `NeighbourVotes` by input of that kind, whose logits are added: the net starts from them alone
    mixup : alpha that the trainer gives to `glc.nets.inputs.augment.mixup`; 0 for none
    mixup_probability : share of the batches that it mixes
    """

    trial = {
        "image": "resnet10t",
        "resize": 0,
        "width": 12,
        "fused": 16,
        "heads": 2,
        "table_width": 8,
        "graph_hidden": 16,
        "dropout": 0.0,
    }

    @section
    class Options:
        """Architecture as published; widths, which the paper gives only for the backbones, are ours."""

        temporal: str = "swin"
        """Net of each cube: swin, vit, or a net of timm (resnet18, efficientnet_b0, mobilenetv3_large_100,
        xception41)."""
        image: str = "swin_tiny_patch4_window7_224"
        """A net of timm (efficientnet_b0, convnext_base, vit_base_patch16_224)."""
        weights: str = ""
        """Pre-trained weights of the image net: a file, or a folder with <its name>.safetensors or .pth; random: none;
        empty: the folder of the command line, if it names one."""
        resize: Natural = 224
        """Side in pixels that images are resized to; 0 leaves them."""
        fusion: Literal["hcam", "concat"] = "hcam"
        """hcam, or concat: the baseline's."""
        tokens: Literal["pooled", "map"] = "pooled"
        """Keys and values of hcam: pooled, one vector per modality as published; or map, the backbones' maps (ours)."""
        width: Annotated[int, MultipleOf(12), Ge(12)] = 96
        """Width of the temporal Swin's and ViT's patches."""
        scale: Rate = 1.0
        """Share of the published widths of the nets of timm; depths and heads stay."""
        fused: Count = 256
        """Width of each attention; of the graph vector's compression where parts are concatenated."""
        heads: Count = 8
        """Heads of the attention to the graph vector; must divide `fused`."""
        hidden: Natural = 0
        """Units of a linear layer behind the concatenation; 0 for none."""
        table_width: Count = 128
        """Units of both layers of the table's encoder."""
        graph_hidden: Count = 512
        """Units of the graph vector's first layer."""
        graph_tokens: Count = 8
        """Tokens that the graph vector is compressed to with ``tokens = "map"``; else one."""
        graph_drop: Dropout = 0.0
        """While training, share of surveys whose graph vector is hidden, as it is where there are no neighbours."""
        dropout: Dropout = 0.1
        """Share of the features before the last layer that is dropped while training."""
        mixup: NotNegative = 0.4
        """Alpha of the Beta distribution (ours, the paper gives none); 0 for no mixup."""
        mixup_probability: Rate = 1.0
        """Share of the batches that are mixed, drawn at random; the paper mixes all, other entries of that year 0.4."""
        fill: Literal["tensor", "training"] = "tensor"
        """Nulls of a cube take the mean of its other values (section 3.1); training: the training mean."""
        trim: bool = True
        """Trim cubes to what their patches divide, as published; else pad them."""
        symmetries: bool = False
        """While training, turn and mirror every survey's tiles at random (ours)."""
        checkpointing: bool = False
        """Recompute the encoders' activations for the gradient: less memory, more time."""
        prior: bool = True
        """Start the last layer's bias at each class's log-odds among the training examples (ours); not with votes."""
        votes_prior: Positive = 1_500.0
        """Of votes: records that, to start with, the coarser scale counts for."""
        votes_rate: Positive = 50.0
        """Of votes: how many times faster than the encoders' their few weights learn."""

        def __post_init__(self) -> None:
            require(self.fused % self.heads == 0, "heads", self, f"a divisor of fused = {self.fused}")

    @classmethod
    def backbone(cls, options: MemberOptions) -> tuple[str, float]:
        return options.image, options.scale

    def __init__(self, options: MemberOptions, n_classes: int, layouts: "dict[str, Layout]") -> None:
        super().__init__(options, n_classes, layouts)
        self.mixup, self.mixup_probability = options.mixup, options.mixup_probability
        votes = {name: layout for name, layout in layouts.items() if layout.kind == "votes"}
        self.votes = nn.ModuleDict({name: NeighbourVotes(layout, n_classes, options) for name, layout in votes.items()})
        rest = {name: layout for name, layout in layouts.items() if name not in votes}
        self.encoders = nn.ModuleDict(encoders(options, rest) if rest or not votes else {})
        if not self.encoders:
            return
        widths = {part: (encoder.width, encoder.token_width) for part, encoder in self.encoders.items()}
        if options.fusion == "hcam":
            self.fusion = Hcam(widths, options.fused, options.heads, options.tokens)
        else:
            self.fusion = Concat(widths, options.hidden)
        self.head = nn.Sequential(nn.Dropout(options.dropout), nn.Linear(self.fusion.width, n_classes))

    def prepare(self, summary: "Summary") -> None:
        """Take the inputs' moments, the image net's weights, and, for `prior`, the class counts."""
        for module in (*self.encoders.values(), *self.votes.values()):
            module.prepare(summary)
        if self.votes and self.encoders:
            nn.init.zeros_(self.head[-1].weight)
            nn.init.zeros_(self.head[-1].bias)
        elif self.encoders and self.options.prior:
            start_at_frequencies(self.head[-1], summary)

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        logits = sum(votes(batch[name]) for name, votes in self.votes.items())
        if not self.encoders:
            return logits
        fused = self.fusion({part: encoder(batch) for part, encoder in self.encoders.items()})
        with torch.autocast(fused.device.type, enabled=False):  # eight bits do not rank thousands of species
            return logits + self.head(fused.float())


class NeighbourVotes(nn.Module):
    """Logits (batch, class) of records (batch, class, 1 + scale, source) around a survey, `glc.neighbours.kernels`.

    From everywhere to the finest scale, the share of a species is

        share_s = (votes_s + prior_s * share_coarser) / (all votes_s + prior_s)
        votes_s = sum over sources o of weight_so * records_so

    as in `glc.classical.votes`. The logit is that of the share times the mean number of species in a training example,
    times a slope, plus a shift. Priors, weights, slope and shift are learned. To start with, a record weighs 1, and a
    prior is `votes_prior` records, but of everywhere half a record a species: the net starts as those votes. No weight
    is a species' own: what holds for common ones holds for rare ones. Without any records all species have one share.
    Priors and weights stay within a factor of e^20 of their start, and shares where their logits are finite.
    """

    def __init__(self, layout, n_classes, options):
        super().__init__()
        self.rate = options.votes_rate  # AdamW moves all weights alike: these are made to mean more
        species, scales, sources = layout.shape
        if species != n_classes:
            raise ConfigError(f"inputs: found votes on {species:,} species, expected the net's {n_classes:,} classes")
        start = torch.full((scales,), math.log(options.votes_prior))
        start[0] = math.log(species / 2)
        self.register_buffer("start", start)
        self.register_buffer("richness", torch.ones(()))
        self.log_prior, self.log_weight = nn.Parameter(torch.zeros(scales)), nn.Parameter(torch.zeros(scales, sources))
        self.slope, self.shift = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))

    def prepare(self, summary):
        """Take the mean number of species in a training example."""
        self.richness.fill_(float(summary.counts.sum()) / summary.rows)

    def forward(self, records):
        votes = (records.nan_to_num() * self._factor(self.log_weight)).sum(dim=-1)
        priors = self.start.exp() * self._factor(self.log_prior)
        share = votes.new_full((), 1 / votes.shape[1])
        for scale, prior in enumerate(priors):
            own = votes[:, :, scale]
            share = (own + prior * share) / (own.sum(dim=1, keepdim=True) + prior)
        share = (share * self.richness).clamp(1e-7, 0.999)
        return (1 + self.rate / 10 * self.slope) * torch.logit(share) + self.rate / 10 * self.shift

    def _factor(self, weights):
        return (self.rate * weights).clamp(-20, 20).exp()  # beyond, priors underflow to 0 / 0


def encoders(options, layouts):
    """The encoder of each part that `layouts` have, by name of the part; a ConfigError tells of inputs of no part."""
    from glc.nets.layers.encoders import Series, Vectors, images

    parts = {}
    for name, layout in layouts.items():
        if layout.kind not in PART:
            raise ConfigError(
                f"inputs: found {name} ({layout.kind}), expected {', '.join(PART)}; of a series or landsat cube give "
                "the values (coeffs = false)"
            )
        parts.setdefault(PART[layout.kind], {})[name] = layout
    if not parts:
        raise ConfigError(
            "inputs: found none, expected tiles, cubes, tables or graph features; add an [[inputs]] table"
        )
    made, shared = {}, {"checkpointing": options.checkpointing, "scale": options.scale}
    if "temporal" in parts:
        made["temporal"] = Series(
            parts["temporal"], options.temporal, options.width, options.fill, options.trim, **shared
        )
    if "table" in parts:
        made["table"] = Vectors(parts["table"], options.table_width, options.table_width)
    if "image" in parts:
        made["image"] = images(
            parts["image"], options.image, options.resize, options.weights, options.symmetries, **shared
        )
    if "graph" in parts:
        joined = compressed({part: (encoder.width, encoder.token_width) for part, encoder in made.items()})
        hcam = options.fusion == "hcam"
        tokens = options.graph_tokens if hcam and options.tokens == "map" else 1
        width = joined if hcam and joined else options.fused
        made["graph"] = Vectors(parts["graph"], options.graph_hidden, width, tokens, options.graph_drop)
    return made
