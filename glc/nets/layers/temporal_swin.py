"""Time series folded into a small map, (band, year, month) or (band, quarter, year), under two Swin stages.

Liu et al. 2024 (Tighnari), section 3.3. The blocks are timm's. Theirs let a window attend to the zeros that fill it up
where it does not divide the map; the masks here do not.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from glc.errors import ConfigError

DEPTHS, HEADS = (2, 6), (12, 24)
MONTHS, QUARTERS = ((3, 3), (3, 2)), ((2, 5), (2, 3))
"""Published (patch, window) of a cube of years x months, and of one of quarters x years."""


def folding(rows, cols):
    """(patch, window) of a cube of rows x cols: `QUARTERS` for four rows that have no months, else `MONTHS`."""
    return QUARTERS if rows == 4 and cols % 12 else MONTHS


class Patches(nn.Module):
    """A cube (batch, band, row, col) as a map of patches (batch, grid row, grid col, width), each with its place.

    The places are those of one sequence, row after row: a learnt vector for each (the paper's one-dimensional position
    code). Sides that the patch does not divide are trimmed at their end, which is the last and least known year
    ((4, 19, 12) to (4, 18, 12), (6, 4, 21) to (6, 4, 20), section 3.1), or with ``trim=False`` padded with zeros; one
    that is shorter than a patch is padded.
    """

    def __init__(self, shape, patch, width, trim=True):
        super().__init__()
        bands, *sides = shape
        self.grid = tuple(
            side // step if trim and side >= step else math.ceil(side / step)
            for side, step in zip(sides, patch, strict=True)
        )
        self.size = tuple(count * step for count, step in zip(self.grid, patch, strict=True))
        self.project = nn.Conv2d(bands, width, patch, stride=patch)
        self.norm = nn.LayerNorm(width)
        self.position = nn.Parameter(nn.init.trunc_normal_(torch.empty(*self.grid, width).flatten(0, 1), std=0.02))

    def forward(self, x):
        rows, cols = self.size
        x = x[..., :rows, :cols]
        x = F.pad(x, (0, cols - x.shape[-1], 0, rows - x.shape[-2]))
        x = self.norm(self.project(x).flatten(2).mT) + self.position
        return x.unflatten(1, self.grid)


class TemporalSwin(nn.Module):
    """A cube (batch, band, row, col) to its tokens (batch, token, 2 width) and their mean (batch, 2 width).

    Patches of `width`, a stage of 2 blocks with 12 heads, 2 x 2 patches merged into one of twice the width, a stage of
    6 blocks with 24 heads. (4, 18, 12) is a map of 6 x 4, then 3 x 2; (6, 4, 20) one of 2 x 4, then 1 x 2. A window
    larger than the map shrinks to it; where one does not divide the map, that is padded, and padding is never attended
    to. The attention's bias B (eq. 3) goes by the distance of two patches in the window's flattened sequence.

    shape : (band, row, col) of the cube; patch, window : (row, col), None for those published; the width, which is not
    published, must divide by 12
    """

    def __init__(self, shape, width=96, patch=None, window=None, trim=True, checkpointing=False):
        from timm.models.swin_transformer import SwinTransformerStage  # seconds, which a list of models need not take

        super().__init__()
        if width % HEADS[0]:
            raise ConfigError(f"width: found {width}, expected a multiple of {HEADS[0]}, the heads of the first stage")
        published = folding(*shape[1:])
        self.patches = Patches(shape, patch or published[0], width, trim)
        self.width = self.token_width = 2 * width
        settings = {"input_resolution": self.patches.grid, "window_size": window or published[1]}
        self.stages = nn.Sequential(
            SwinTransformerStage(width, width, depth=DEPTHS[0], num_heads=HEADS[0], downsample=False, **settings),
            SwinTransformerStage(width, self.width, depth=DEPTHS[1], num_heads=HEADS[1], **settings),
        )
        for stage in self.stages:
            stage.grad_checkpointing = checkpointing
            for block in stage.blocks:
                mask = window_mask(block.input_resolution, block.window_size, block.shift_size)
                block.register_buffer("attn_mask", mask, persistent=False)
                _bias_by_sequence(block.attn)
        self.norm = nn.LayerNorm(self.width)

    def forward(self, x):
        tokens = self.norm(self.stages(self.patches(x))).flatten(1, 2)
        return tokens, tokens.mean(dim=1)


def window_mask(size, window, shift):
    """What to add to the attention within each window, (window, token, token): 0, or -inf between two that must not.

    size, window, shift : (row, col) of the map, of a window and of the cyclic shift
    The map is shifted first and padded to whole windows then, as timm does. Patches that only the shift made neighbours
    do not attend to each other, nor any patch to padding. None where nothing is masked.
    """
    parts = []
    for side, step, moved in zip(size, window, shift, strict=True):
        at = torch.arange(math.ceil(side / step) * step)
        parts.append((at >= side - moved).long() + (at >= side).long())  # 0; 1: came around; 2: padding
    region = 3 * parts[0][:, None] + parts[1]
    blocks = region.unflatten(0, (-1, window[0])).unflatten(2, (-1, window[1]))
    flat = blocks.transpose(1, 2).flatten(2).flatten(0, 1)
    apart = flat[:, :, None] != flat[:, None, :]
    return torch.zeros(apart.shape).masked_fill(apart, -math.inf) if apart.any() else None


def _bias_by_sequence(attention):
    """Give timm's window attention a bias for each distance along the flattened window, in place of two axes."""
    place = torch.arange(attention.window_area)
    attention.relative_position_index = place[:, None] - place + attention.window_area - 1
    table = torch.empty(2 * attention.window_area - 1, attention.num_heads)
    attention.relative_position_bias_table = nn.Parameter(nn.init.trunc_normal_(table, std=0.02))
