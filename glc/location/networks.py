"""Networks from features of coordinates to embeddings: SIREN, and a plain MLP for comparison."""

import math
from itertools import pairwise

import torch
from torch import nn

from glc import config
from glc.config import Count, Positive, section
from glc.errors import ConfigError, did_you_mean


class Sine(nn.Module):
    """sin(omega (W x + b)) with SIREN's own start (Sitzmann et al. 2020, section 3.2).

    W is uniform within ±1 / n in the first layer, and within ±sqrt(6 / n) / omega in the others, for n inputs; b is
    uniform within ±1 / sqrt(n), as in the authors' code. Values before the sine then are about normal, with deviation 1
    in all layers but the first.
    """

    def __init__(self, inputs, outputs, omega, first=False):
        super().__init__()
        self.omega = omega
        self.linear = nn.Linear(inputs, outputs)
        bound = 1 / inputs if first else math.sqrt(6 / inputs) / omega
        nn.init.uniform_(self.linear.weight, -bound, bound)

    def forward(self, x):
        return torch.sin(self.omega * self.linear(x))


class Siren(nn.Sequential):
    """Sine layers, then a linear one."""

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

    def __init__(self, options, inputs, outputs):
        layers = [Sine(inputs, options.hidden, options.omega_first, first=True)]
        layers += [Sine(options.hidden, options.hidden, options.omega) for _ in range(options.layers - 1)]
        last = nn.Linear(options.hidden, outputs)
        bound = math.sqrt(6 / options.hidden) / options.omega
        nn.init.uniform_(last.weight, -bound, bound)
        super().__init__(*layers, last)


class Mlp(nn.Sequential):
    """Linear layers with ReLU between them."""

    @section
    class Options:
        hidden: Count = 512
        """Units of each hidden layer."""
        layers: Count = 2
        """Hidden layers."""

    def __init__(self, options, inputs, outputs):
        widths = [inputs, *[options.hidden] * options.layers]
        layers = [part for pair in pairwise(widths) for part in (nn.Linear(*pair), nn.ReLU())]
        super().__init__(*layers, nn.Linear(options.hidden, outputs))


NETWORKS = {"siren": Siren, "mlp": Mlp}


def make(choice, inputs, outputs):
    """The network that `choice`, a config.Choice, names, mapping (n, inputs) to (n, outputs); untrained."""
    if choice.name not in NETWORKS:
        raise ConfigError(
            f"unknown network {choice.name!r}; expected one of: {', '.join(NETWORKS)}"
            f"{did_you_mean(choice.name, NETWORKS)}"
        )
    member = NETWORKS[choice.name]
    return member(config.options(member, choice, "network"), inputs, outputs)
