"""What every pretraining must do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from glc.config import Choice, section
from glc.training.machine import MACHINE, Machine
from glc.types import Facts, MemberOptions

if TYPE_CHECKING:
    from glc.nets.inputs.features import Features


class Pretraining:
    """Self-supervised training of a net's `encoder` on pairs of surveys, before the net learns species.

    A new one is one new file in ``glc/nets/pretraining``, named as the pretraining. It must have `fit`, and its
    `Options` all that `glc.neighbours.triplets.write` reads: pairs, radius_m, sources, species, species_of,
    species_radius_m, seed.
    """

    name: ClassVar[str] = ""
    """Given by the registry."""

    @section
    class Options:
        """Options of ``[pretrain]`` next to its ``name``."""

    def __init__(self, options: MemberOptions) -> None:
        """Keep the options.

        options : the pretraining's own `Options`
        """
        self.options = options

    def fit(
        self,
        folder: Path,
        features: Features | None,
        out: Path,
        *,
        model: Choice,
        machine: Machine = MACHINE,
    ) -> Facts:
        """Train the encoder of a net.

        folder : pairs of surveys, what `glc.neighbours.triplets.write` wrote
        features : imagery of the surveys
        out : an existing folder, gets ``encoder.ckpt`` (`glc.nets.checkpoints.save_encoder`) and ``history.csv``
        model : a net with an `encoder`; a ConfigError refuses others
        machine : how the training runs
        returns : plain facts for the manifest
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how it trains")
