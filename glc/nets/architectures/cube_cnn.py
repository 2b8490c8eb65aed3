"""Species from time series: 64 DCT coefficients of each band laid out 8 x 8, under the convolutions of the tile CNN.

Miyaguchi et al. 2024, section 5.2.1. No symmetry is applied: the square is a layout, not a place.
"""

from typing import TYPE_CHECKING

from glc.errors import ConfigError
from glc.nets.architectures.tile_cnn import Encoded, Encoder, Widths, head
from glc.registry import models
from glc.types import MemberOptions

if TYPE_CHECKING:
    from glc.nets.inputs.features import Layout


@models.register("cube_cnn")
class CubeCnn(Encoded):
    """Convolutions over the DCT coefficients of time series.

    Logits (batch, class) float32 of series given as their DCT coefficients (``[[inputs]]`` with coeffs = true).
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
