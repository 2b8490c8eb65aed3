"""Mixup: each survey of a batch blended with another, its labels in the same shares."""

import numpy as np
import torch

from glc.errors import ConfigError


def mixup(batch, targets, alpha, generator=None):
    """Blend a training batch with itself in another order: ``share * own + (1 - share) * other``.

    batch : dict of (batch, ...) tensors; targets : (batch, class) float
    alpha : the one share of a batch is drawn from Beta(alpha, alpha)
    generator : torch.Generator of the CPU; None is torch's global one
    returns : (batch, targets), new tensors; see `mix` for what is missing. Liu et al. 2024, section 3.6, eq. 9.
    """
    if not alpha > 0:
        raise ConfigError(f"mixup: found alpha {alpha!r}, expected a number above 0; leave mixup out for none")
    seed = int(torch.randint(2**62, (1,), generator=generator))  # torch's own Beta takes no generator
    share = float(np.random.default_rng(seed).beta(alpha, alpha))
    order = torch.randperm(len(targets), generator=generator)
    return mix(batch, targets, share, order)


def mix(batch, targets, share, order):
    """`mixup` with the survey in row i blended with that in row ``order[i]``, whose part is ``1 - share``.

    Every floating tensor is blended: inputs, places, and the weights in the loss. Whole numbers (ids, padded species)
    stay the first survey's. An entry that only one of the two has is that of the survey with the greater part (of equal
    ones the first): its value, or missing. So about as much is missing after as before.
    """
    order = order.to(targets.device)
    mixed = {
        name: _blend(values, values[order], share) if values.is_floating_point() else values
        for name, values in batch.items()
    }
    return mixed, share * targets + (1 - share) * targets[order]


def _blend(own, other, share):
    if share in (0, 1):  # NaN times 0 is NaN
        return own if share else other
    greater = own if share >= 0.5 else other
    return torch.where(own.isnan() | other.isnan(), greater, share * own + (1 - share) * other)
