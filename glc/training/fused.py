"""Losses that are a sum over classes, with their slope, in one pass over the logits.

Almost every target is 0, so all elements are first taken for negatives and the few positives put right. A loss is a few
operations per element, so that most of its time would go into memory: on a CPU it is therefore computed in chunks that
stay in the processor's cache, and of all that only the slope is kept. Autograd through the formula keeps ten or so
arrays as large as the logits.
"""

from collections.abc import Callable

import torch

_CHUNK = 1 << 16
"""Elements per thread that are worked on together: the arrays of a loss then fit in the second cache of a core."""
_ROWS = 32
"""Rows per thread whose losses are summed together. With it, and a chunk that is a power of two, no thread ends in half
a vector register, whose elements torch computes by another routine: slopes have the same bits as those of the formula
on all logits at once."""

Negative = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""Logits whose target is 0 -> (loss, slope) of each, two new tensors of the same shape."""
Positive = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor | None]]
"""Logits whose target is 1 -> (loss, slope) of each; a slope None is that of a negative less 1."""


def reduced(
    logits: torch.Tensor,
    present: torch.Tensor,
    weights: torch.Tensor | None,
    class_weights: torch.Tensor | None,
    *,
    negative: Negative,
    positive: Positive,
    mean: bool,
) -> torch.Tensor:
    """The loss of a batch, summed over rows and classes, with a gradient.

    logits : (batch, class) float
    present : (label,) int64, the positives' places in the logits row by row, sorted
    weights : (batch,) or None; class_weights : (class,) or None; they multiply the terms
    negative, positive : loss and slope of logits whose target is 0, and 1
    mean : divide by the number of logits
    returns : scalar
    """
    divisor = logits.numel() if mean else 1
    return _KnownSlope.apply(logits, present, weights, class_weights, negative, positive, divisor)


class _KnownSlope(torch.autograd.Function):
    @staticmethod
    def forward(ctx, logits, present, weights, class_weights, negative, positive, divisor):
        logits = logits.contiguous()
        ctx.slope = torch.empty_like(logits) if ctx.needs_input_grad[0] else None
        rows = logits.new_empty(len(logits))
        cost, rise = positive(logits.view(-1)[present])
        for start, stop, labels in _blocks(logits, present):
            block = logits[start:stop]
            value = torch.empty_like(block)
            slope = torch.empty_like(block) if ctx.slope is None else ctx.slope[start:stop]
            _in_chunks(negative, block.view(-1), value.view(-1), slope.view(-1))
            inside = present[labels] - start * logits.shape[1]
            value.view(-1)[inside] = cost[labels]
            slope.view(-1)[inside] = slope.view(-1)[inside] - 1 if rise is None else rise[labels]
            rows[start:stop] = value.sum(dim=1) if class_weights is None else value @ class_weights
            if ctx.slope is None:
                continue
            if class_weights is not None:
                slope.mul_(class_weights)
            if weights is not None:
                slope.mul_(weights[start:stop, None])
            if divisor != 1:
                slope.div_(divisor)
        return (rows if weights is None else rows * weights).sum() / divisor

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        # a GPU would have to be waited for to know. That autograd adds to the slope in place is ruled out, because it
        # is kept here
        slope = ctx.slope if grad.device.type == "cpu" and grad == 1 else ctx.slope * grad
        return slope, None, None, None, None, None, None


def _in_chunks(negative, logits, value, slope):
    """Fill `value` and `slope` with those of `logits`, all of one axis."""
    step = _CHUNK * torch.get_num_threads() if logits.device.type == "cpu" else len(logits)
    for start in range(0, len(logits), max(step, 1)):
        chunk = slice(start, start + step)
        value[chunk], slope[chunk] = negative(logits[chunk])


def _blocks(logits, present):
    """Yield (first row, row behind the last, slice of the positives within these rows)."""
    batch, n_classes = logits.shape
    size = _ROWS * torch.get_num_threads()
    if logits.device.type != "cpu" or size >= batch:
        yield 0, batch, slice(None)
        return
    starts = [*range(0, batch, size), batch]
    bounds = torch.searchsorted(present, torch.tensor(starts) * n_classes).tolist()
    for i in range(len(starts) - 1):
        yield starts[i], starts[i + 1], slice(bounds[i], bounds[i + 1])
