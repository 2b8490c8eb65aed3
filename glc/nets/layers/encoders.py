"""Encoders of one modality each: images, time series, and vectors (tables, graph features) to `hcam.Encoded`.

Every encoder has `width` (of its vector) and `token_width`, takes the moments of its inputs by ``prepare(summary)``,
carries them as buffers, and says which of its tokens a survey has. Liu et al. 2024 (Tighnari), sections 3.1 to 3.4.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from glc.errors import ConfigError
from glc.nets.layers.hcam import Encoded
from glc.nets.layers.maps import Maps, common_size
from glc.nets.layers.temporal_swin import TemporalSwin
from glc.nets.layers.temporal_vit import TemporalVit
from glc.training import timm_nets
from glc.training import weights as weight_files

_NOISE = 1e-6
"""What spreads less than this share of its largest value is what float32 leaves of a constant."""


class Vision(nn.Module):
    """A net of timm on maps (batch, channels, row, col): tokens (batch, token, token_width), vector (batch, width).

    Tokens are the last map of the net, row after row, less its class tokens; the vector is what its classifier would
    read. Maps are resized (bilinear) to size x size, or with 0 left as they are.

    weights : file or folder of weights (`glc.training.weights`), read by `prepare`; empty: random weights
    scale : share of the net's published widths, see `glc.training.timm_nets.backbone`
    small : for cubes, the first layer of a plain ResNet (resnet18, resnet34, ...) steps by 1 and pools nothing, as in
        the organisers' baseline
    """

    def __init__(self, name, channels, rows, cols, size=0, weights="", small=False, checkpointing=False, scale=1.0):
        super().__init__()
        self._name, self._weights, self._scale = name, weights, scale
        self.size = (size, size) if size else (rows, cols)
        self.net, self.token_width = timm_nets.backbone(name, channels, scale, **_fixed(name, self.size))
        self.width = getattr(self.net, "head_hidden_size", None) or self.token_width
        if small and _plain_resnet(name):
            self.net.conv1 = nn.Conv2d(channels, self.net.conv1.out_channels, 3, padding=1, bias=False)
            self.net.maxpool = nn.Identity()
        if checkpointing:
            self.net.set_grad_checkpointing(True)

    def prepare(self, maps):
        """Take the weights of the file, and let `maps` be normalised as theirs were; do nothing without one."""
        if weight_files.named(self._weights):  # here, for a trained checkpoint must load where that file is not
            weight_files.check(self._weights, self._name, self._scale)
            weight_files.take(self.net, self._weights, self._name, maps.bands)
            maps.normalise(*weight_files.normalisation(self.net))

    def forward(self, x):
        if x.shape[-2:] != self.size:
            x = F.interpolate(x, self.size, mode="bilinear", align_corners=False)
        x = x.contiguous(memory_format=torch.channels_last)  # less time on a CPU
        # the last batch of an epoch may be one survey, which has no statistics of its own where maps shrink to 1 x 1
        alone = self.training and len(x) == 1
        if alone:
            self.net.eval()
        features = self.net.forward_features(x)
        pooled = self.net.forward_head(features, pre_logits=True)
        if alone:
            self.net.train()
        if features.ndim == 3:
            return features[:, getattr(self.net, "num_prefix_tokens", 0) :], pooled
        nhwc = str(getattr(self.net, "output_fmt", "NCHW")) == "NHWC"
        return features.flatten(1, 2) if nhwc else features.flatten(2).mT, pooled


class Images(nn.Module):
    """Tiles to `Encoded` through a net of timm (section 3.4), all bands as channels of one map.

    layouts : of pixels, or of coefficients, which are expanded to pixels, at once to `resize` where that is smaller
        than the tiles and no coefficient is lost; see `glc.nets.layers.maps.Maps`
    resize : side in pixels that the net sees (the paper resizes 128 to 224); 0 leaves them; the others as of `Vision`

    With weights, 8-bit red, green and blue are normalised as the images that these were trained on.
    """

    def __init__(self, layouts, name, resize=224, weights="", symmetries=False, checkpointing=False, scale=1.0):
        super().__init__()
        self.maps = Maps(layouts, symmetries, _expanded(layouts, resize))
        rows, cols = self.maps.rows, self.maps.cols
        self.net = Vision(
            name, self.maps.channels, rows, cols, resize, weights, checkpointing=checkpointing, scale=scale
        )
        self.width, self.token_width = self.net.width, self.net.token_width

    def prepare(self, summary):
        self.maps.prepare(summary)
        self.net.prepare(self.maps)

    def forward(self, batch):
        tokens, pooled = self.net(self.maps(batch))
        present = _any_finite(batch[name] for name in self.maps.layouts)
        return Encoded(pooled, tokens, present[:, None].expand(tokens.shape[:2]))


class ImagesOfSizes(nn.Module):
    """Tiles of several sizes to `Encoded`: those of each size through a net of their own, see `Images`.

    The one S of eq. 6 is the nets' vectors side by side, its tokens those of one size after those of the next (ours:
    the paper reads images of one size, and names raster windows as future work, section 5.2). Of a size that a survey
    does not have the vector is 0. Random symmetries are drawn for each size.
    """

    def __init__(self, groups):
        super().__init__()
        self.groups = nn.ModuleList(groups)
        self.width, self.token_width = sum(group.width for group in groups), groups[0].token_width

    def prepare(self, summary):
        for group in self.groups:
            group.prepare(summary)

    def forward(self, batch):
        parts = [group(batch) for group in self.groups]
        pooled = torch.cat([part.pooled * part.present[:, None] for part in parts], dim=1)
        return Encoded(
            pooled, *(torch.cat(tokens, dim=1) for tokens in zip(*(part[1:] for part in parts), strict=True))
        )


def images(layouts, *options, **more):
    """The encoder of the tiles `layouts`: `Images`, or `ImagesOfSizes` where they differ in size.

    options, more : of `Images`
    """
    sizes = dict.fromkeys(layout.size for layout in layouts.values())
    groups = [
        Images({name: layout for name, layout in layouts.items() if layout.size == size}, *options, **more)
        for size in sizes
    ]
    return groups[0] if len(groups) == 1 else ImagesOfSizes(groups)


class Series(nn.Module):
    """Cubes to `Encoded`, each through its own backbone (section 3.3).

    The one T of eq. 6 is the cubes' vectors side by side (ours; the paper is silent), its tokens those of one cube
    after those of the other. Of a cube that a survey does not have the vector is 0.

    name : swin, vit, or a net of timm such as resnet18, efficientnet_b0, mobilenetv3_large_100 or xception41
    width : of the patches of the first two, whose vectors are twice as wide
    scale : share of the published widths of a net of timm
    side : cubes are resized to side x side for a net of timm, but for plain ResNets: there the first layer is
        changed instead
    fill : what takes the place of nulls once each band is standardised by its training moments: tensor, the mean of all
        the survey's own values of that cube (section 3.1; standardised, for bands differ in units), or training, the
        training mean, which also takes the place of a cube without any value
    """

    def __init__(
        self, layouts, name="swin", width=96, fill="tensor", trim=True, side=64, checkpointing=False, scale=1.0
    ):
        super().__init__()
        self.names, self.fill = list(layouts), fill
        self.standards = nn.ModuleList(Standard(layout, by_band=True) for layout in layouts.values())
        self.nets = nn.ModuleList()
        for layout in layouts.values():
            if name in ("swin", "vit"):
                kind = TemporalSwin if name == "swin" else TemporalVit
                net = kind(layout.shape, width, trim=trim, checkpointing=checkpointing)
            else:
                size = 0 if _plain_resnet(name) else side
                net = Vision(name, *layout.shape, size, small=True, checkpointing=checkpointing, scale=scale)
            self.nets.append(net)
        self.width, self.token_width = sum(net.width for net in self.nets), self.nets[0].token_width

    def prepare(self, summary):
        for name, standard in zip(self.names, self.standards, strict=True):
            standard.prepare(summary.inputs[name])

    def forward(self, batch):
        pooled, tokens, known = [], [], []
        for name, standard, net in zip(self.names, self.standards, self.nets, strict=True):
            x = standard(batch[name])
            present = _any_finite([x])
            own, vector = net(filled(x, self.fill))
            pooled.append(vector * present[:, None])
            tokens.append(own)
            known.append(present[:, None].expand(own.shape[:2]))
        return Encoded(*(torch.cat(parts, dim=1) for parts in (pooled, tokens, known)))


class Vectors(nn.Module):
    """Vectors to `Encoded`: linear, layer norm, ReLU, linear (sections 3.5; F' of tables, G' of graph features).

    layouts : of kind table, each feature standardised by its training moments, or graph (species, 1, 1), which comes
        normalised and stays so; several are one long vector. What is missing becomes 0.
    hidden : units of the first layer
    width : of each token; tokens : how many the last layer makes; the vector is their mean
    drop : while training, the share of surveys that the whole vector is taken from, as it is from surveys without
        neighbours: a graph vector of zeros is not known at all
    """

    def __init__(self, layouts, hidden, width, tokens=1, drop=0.0):
        super().__init__()
        self.layouts, self.tokens, self.drop = dict(layouts), tokens, drop
        self.width = self.token_width = width
        self.standards = nn.ModuleList(Standard(layout) for layout in layouts.values() if layout.kind == "table")
        self.layers = nn.Sequential(
            nn.Linear(sum(len(layout.bands) for layout in layouts.values()), hidden),
            nn.LayerNorm(hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, tokens * width),
        )

    def prepare(self, summary):
        tables = [name for name, layout in self.layouts.items() if layout.kind == "table"]
        for name, standard in zip(tables, self.standards, strict=True):
            standard.prepare(summary.inputs[name])

    def forward(self, batch):
        standards, parts, present = iter(self.standards), [], False
        for name, layout in self.layouts.items():
            x, table = batch[name], layout.kind == "table"
            x = next(standards)(x) if table else x
            parts.append(filled(x, "training").flatten(1))
            present = present | (_any_finite([x]) if table else (parts[-1] != 0).any(dim=1))
        x = torch.cat(parts, dim=1)
        if self.training and self.drop:
            present = present & (torch.rand(len(x), device=x.device) >= self.drop)
        tokens = self.layers(x).unflatten(1, (self.tokens, self.width))
        return Encoded(tokens.mean(dim=1), tokens, present[:, None].expand(tokens.shape[:2]))


class Standard(nn.Module):
    """An input (batch, band, row, col) less its training mean, by its training deviation; NaN stays.

    by_band : one mean and deviation for all values of a band, as of pixels, for seasons and years must stay comparable
    What does not vary becomes 0.
    """

    def __init__(self, layout, by_band=False):
        super().__init__()
        self.by_band = by_band
        shape = (len(layout.bands), 1, 1) if by_band else layout.shape
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("scale", torch.ones(shape))

    def prepare(self, moments):
        """Take `glc.nets.inputs.features.Moments`."""
        mean, std = (np.asarray(part, np.float64) for part in (moments.mean, moments.std))
        if self.by_band:
            middle = mean.mean(axis=(1, 2), keepdims=True)
            std = np.sqrt((std**2 + (mean - middle) ** 2).mean(axis=(1, 2), keepdims=True))
            mean = middle
        varies = std > _NOISE * np.hypot(mean, std)
        self.mean.copy_(torch.as_tensor(mean))
        self.scale.copy_(torch.as_tensor(np.divide(1, std, out=np.zeros_like(std), where=varies)))

    def forward(self, x):
        return (x - self.mean) * self.scale


def filled(x, fill="tensor"):
    """Standardised values (batch, ...) with what is not finite replaced.

    fill : tensor, by the mean of the sample's finite values; training, by 0; of a sample without any, by 0
    """
    finite = x.isfinite()
    if fill == "training":
        return x.where(finite, 0)
    axes = tuple(range(1, x.ndim))
    own = x.where(finite, 0).sum(axes, keepdim=True) / finite.sum(axes, keepdim=True).clamp(min=1)
    return x.where(finite, own)


def _any_finite(tensors):
    return torch.stack([x.isfinite().flatten(1).any(dim=1) for x in tensors]).any(dim=0)


def _expanded(layouts, resize):
    """Side in pixels that coefficients are expanded to; 0 where there are none."""
    blocks = [layout.rows for layout in layouts.values() if layout.kind == "coeffs"]
    side = common_size(layouts) if blocks else 0
    return resize if len(blocks) == len(layouts) and max(blocks, default=0) <= resize < side else side


def _plain_resnet(name):
    return name.removeprefix("resnet").isdigit()


def _fixed(name, size):
    """Settings of timm for a net that is made for one size: that of the maps."""
    import timm

    if not timm.is_model(name):
        return {}  # `vision.backbone` says which there are
    facts = timm.get_pretrained_cfg(name)
    if facts is None or not facts.fixed_input_size:
        return {}
    settings = {"img_size": size}
    if name.startswith("swin_"):  # a window that divides every stage's map, or holds it: 7 of 224, 4 of 128, 2 of 32
        if size[0] != size[1] or size[0] % 32:
            raise ConfigError(
                f"resize: found maps of {size[0]} x {size[1]}, expected a multiple of 32 per side for {name}"
            )
        settings["window_size"] = max(size[0] // 32, 2)
    return settings
