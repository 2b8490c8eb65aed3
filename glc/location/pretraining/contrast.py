"""The contrastive loss of places and images: symmetric InfoNCE with a learned temperature.

Xiong 2024 (poster), "Alignment"; Radford et al. 2021 (CLIP), section 2.3:

    L = 1 / 2N [sum_i L_loc(c_i, I_1..N) + sum_i L_img(I_i, c_1..N)]
    L_loc(c_i, I_1..N) = -log(exp(<f(c_i), f(I_i)> / τ) / sum_j exp(<f(c_i), f(I_j)> / τ))

and L_img the same with places and images swapped.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

LEAST = 0.01
"""τ is kept from falling further (Radford et al. 2021: logits are scaled by at most 100)."""


class InfoNCE(nn.Module):
    """forward(places, images), unit vectors (n, dim) in pairs, to the loss; `temperature` is τ, learned as log 1/τ."""

    def __init__(self, temperature=0.07):
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / temperature)))

    @property
    def temperature(self):
        """τ, a tensor without gradient."""
        return self.log_scale.detach().neg().exp()

    def forward(self, places, images):
        with torch.no_grad():  # the parameter itself: beyond a limit in the loss it would have no way back
            self.log_scale.clamp_(max=math.log(1 / LEAST))
        logits = self.log_scale.exp() * (places @ images.T)
        pair = torch.arange(len(logits), device=logits.device)
        return (F.cross_entropy(logits, pair) + F.cross_entropy(logits.T, pair)) / 2


def retrieval(places, images):
    """Share of places whose own image is the most similar of all, and of images whose own place is.

    places, images : unit vectors (n, dim) in pairs
    """
    similar = places @ images.T
    pair = torch.arange(len(similar), device=similar.device)
    return tuple((matrix.argmax(dim=1) == pair).float().mean() for matrix in (similar, similar.T))
