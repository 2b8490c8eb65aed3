"""Species from time series: 64 DCT coefficients of each band laid out 8 x 8, under the convolutions of the tile CNN.

Miyaguchi et al. 2024, section 5.2.1. No symmetry is applied: the square is a layout, not a place.
"""

from typing import TYPE_CHECKING

import torch

from glc.errors import ConfigError
from glc.nets.architectures._base import Net
from glc.nets.architectures.tile_cnn import Encoder, Widths, head
from glc.nets.layers.heads import start_at_frequencies
from glc.registry import models
from glc.types import MemberOptions

if TYPE_CHECKING:
    from glc.nets.inputs.features import Layout
    from glc.nets.inputs.summary import Summary


@models.register("cube_cnn")
class CubeCnn(Net):
    """Convolutions over the DCT coefficients of time series.

    Logits (batch, class) float32 of series given as their DCT coefficients (``[[inputs]]`` with coeffs = true).

    encoder : batch to (batch, latent); head : latent to logits
    """

    Options = Widths

    def __init__(self, options: MemberOptions, n_classes: int, layouts: "dict[str, Layout]") -> None:
        super().__init__(options, n_classes, layouts)
        others = [name for name, layout in layouts.items() if layout.kind != "series"]
        if others or not layouts:
            listed = ", ".join(f"{name} ({layouts[name].kind})" for name in others) or "none"
            raise ConfigError(
                f"inputs: found {listed}, expected DCT coefficients of series; name a cube with coeffs = true in "
                "[[inputs]], or choose the model tile_cnn"
            )
        self.encoder = Encoder(
            layouts, channels=options.channels, reduced=options.reduced, latent=options.latent, symmetries=False
        )
        self.head = head(options.latent, options.dropout, n_classes)

    def prepare(self, summary: "Summary") -> None:
        """Take the moments of the inputs and, for `prior`, the class counts from the training examples' `summary`."""
        self.encoder.prepare(summary)
        if self.options.prior:
            start_at_frequencies(self.head[-1], summary)

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return self.head(self.encoder(batch))
