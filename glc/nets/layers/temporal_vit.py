"""Time series folded into a small map under a Vision Transformer: every patch attends to every other.

Liu et al. 2024 (Tighnari), section 3.3, which names the net and nothing of its sizes.
"""

from torch import nn
from torch.utils.checkpoint import checkpoint

from glc.errors import ConfigError
from glc.nets.layers.temporal_swin import Patches, folding

DEPTH, HEADS = 8, 12


class TemporalVit(nn.Module):
    """A cube (batch, band, row, col) to its tokens (batch, token, 2 width) and their mean (batch, 2 width).

    Patches and position code are the temporal Swin's, as is the width it ends with and the number of blocks (ours).
    """

    def __init__(self, shape, width=96, patch=None, trim=True, checkpointing=False):
        from timm.models.vision_transformer import Block  # seconds, which a list of models need not take

        super().__init__()
        self.width = self.token_width = 2 * width
        if self.width % HEADS:
            raise ConfigError(f"width: found {width}, expected a multiple of {HEADS // 2}: twice it has {HEADS} heads")
        self.patches = Patches(shape, patch or folding(*shape[1:])[0], self.width, trim)
        self.blocks = nn.ModuleList(Block(self.width, HEADS, qkv_bias=True) for _ in range(DEPTH))
        self.norm = nn.LayerNorm(self.width)
        self.checkpointing = checkpointing

    def forward(self, x):
        tokens = self.patches(x).flatten(1, 2)
        for block in self.blocks:
            again = self.checkpointing and self.training
            tokens = checkpoint(block, tokens, use_reentrant=False) if again else block(tokens)
        tokens = self.norm(tokens)
        return tokens, tokens.mean(dim=1)
