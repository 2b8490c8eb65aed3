"""Batch normalisation by the moments of a whole batch of which several processes have a part each."""

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from glc.training.part import Part, all_reduce


class SharedBatchNorm(_BatchNorm):
    """Normalises by the rows of all processes, on any device; torch's ``SyncBatchNorm`` does so on a GPU only.

    It has the parameters, buffers and names of the layer whose place it takes.

    own : that layer, of torch or one of timm's, which then drops and activates
    part : this process
    """

    def __init__(self, own: _BatchNorm, part: Part) -> None:
        super().__init__(own.num_features, own.eps, own.momentum, own.affine, own.track_running_stats)
        self.weight, self.bias = own.weight, own.bias
        self._buffers.update(own._buffers)
        self.part = part
        self.counts: int | None = None
        """Rows of a batch, from its first, whose moments count; those that pad it do not. None: all."""
        self.rest = nn.Sequential(*own.children())
        """What timm's layers do afterwards: their children drop and activate, in this order."""
        self.train(own.training)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x : (row, channel, ...) of this process; returns the same shape."""
        if not self.training:
            return self.rest(super().forward(x))
        axes = [0, *range(2, x.ndim)]
        wide = x.float()
        values = wide.new_tensor([wide[: self.counts].numel() / x.shape[1]])
        *sums, count = all_reduce(torch.cat([wide[: self.counts].sum(dim=axes), values])).split([x.shape[1], 1])
        count = count.detach()
        mean = sums[0] / count
        shape = (1, -1, *[1] * (x.ndim - 2))
        centred = wide - mean.view(shape)
        variance = all_reduce((centred[: self.counts] ** 2).sum(dim=axes)) / count
        self._remember(mean.detach(), variance.detach() * (count / (count - 1).clamp(min=1)))
        scale = (variance + self.eps).rsqrt()
        if self.affine:
            scale = scale * self.weight
        normal = centred * scale.view(shape)
        if self.affine:
            normal = normal + self.bias.view(shape)
        return self.rest(normal.to(x.dtype))

    def _check_input_dim(self, input: torch.Tensor) -> None:
        """Images, series and vectors alike."""

    def _remember(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        if not self.track_running_stats:
            return
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_(variance.to(self.running_var.dtype), share)


def share(module: nn.Module, part: Part) -> list[SharedBatchNorm]:
    """Have all batch normalisation inside `module` use the rows of all processes.

    part : this process; where it is the only one nothing changes
    returns : the layers, whose `counts` is to be set where rows pad a batch
    """
    shared: list[SharedBatchNorm] = []
    if part.count == 1:
        return shared
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, _BatchNorm):
                shared.append(SharedBatchNorm(child, part))
                setattr(parent, name, shared[-1])
    return shared
