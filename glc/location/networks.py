"""Networks from features of coordinates to embeddings: SIREN, and a plain MLP for comparison."""

import math
from itertools import pairwise

import torch
from torch import nn

from glc import config
from glc.config import Count, Dropout, Positive, section
from glc.registry import networks
from glc.types import MemberOptions


class Sine(nn.Module):
    """sin(omega (W x + b)) with SIREN's own start (Sitzmann et al. 2020, section 3.2).

    W is uniform within ±1 / n in the first layer, and within ±sqrt(6 / n) / omega in the others, for n inputs; b is
    uniform within ±1 / sqrt(n), as in the authors' code. Values before the sine then are about normal, with deviation 1
    in all layers but the first.

    dropout : share of the values before the sine that is set to 0 while training, as SatCLIP does in front of omega
    """

    def __init__(self, inputs, outputs, omega, first=False, dropout=0.0):
        super().__init__()
        self.omega = omega
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.linear = nn.Linear(inputs, outputs)
        bound = 1 / inputs if first else math.sqrt(6 / inputs) / omega
        nn.init.uniform_(self.linear.weight, -bound, bound)

    def forward(self, x):
        return torch.sin(self.omega * self.dropout(self.linear(x)))


@networks.register("siren")
class Siren(nn.Sequential):
    """Sine layers, then a linear one (Sitzmann et al. 2020; Rußwurm et al. 2023)."""

    @section
    class Options:
        hidden: Count = 512
        """Units of each sine layer."""
        layers: Count = 2
        """Sine layers (SatCLIP: two of 512)."""
        omega_first: Positive = 30.0
        """Frequency of the first layer."""
        omega: Positive = 1.0
        """Frequency of the others: Sitzmann et al. take 30 throughout, SatCLIP 1 except in the first."""
        dropout: Dropout = 0.0
        """Share of the values before each sine that is dropped while training: none; SatCLIP's code drops 0.5."""

    def __init__(self, options: MemberOptions, inputs: int, outputs: int) -> None:
        layers = [Sine(inputs, options.hidden, options.omega_first, first=True, dropout=options.dropout)]
        more = range(options.layers - 1)
        layers += [Sine(options.hidden, options.hidden, options.omega, dropout=options.dropout) for _ in more]
        last = nn.Linear(options.hidden, outputs)
        bound = math.sqrt(6 / options.hidden) / options.omega
        nn.init.uniform_(last.weight, -bound, bound)
        super().__init__(*layers, last)


@networks.register("mlp")
class Mlp(nn.Sequential):
    """Linear layers with ReLU between them."""

    @section
    class Options:
        hidden: Count = 512
        """Units of each hidden layer."""
        layers: Count = 2
        """Hidden layers."""

    def __init__(self, options: MemberOptions, inputs: int, outputs: int) -> None:
        widths = [inputs, *[options.hidden] * options.layers]
        layers = [part for pair in pairwise(widths) for part in (nn.Linear(*pair), nn.ReLU())]
        super().__init__(*layers, nn.Linear(options.hidden, outputs))


def make(choice, inputs, outputs):
    """The network that `choice`, a config.Choice, names, mapping (n, inputs) to (n, outputs); untrained."""
    member = networks.get(choice.name)
    return member(config.options(member, choice, "network"), inputs, outputs)
