"""Losses, each called the same way; what they must and may offer is in `Loss`.

What is implemented is what the authors of each loss define. Miyaguchi et al. 2024, section 5.3, prints it with slips:
equation 2 lacks the negative term ``(1 - y) log(1 - p)``, equations 3 to 5 lack the minus sign of a loss to be
minimised, and "gamma+ > gamma- emphasizes positive examples" is the wrong way round: the larger a gamma, the less its
easy examples count, so it is gamma- > gamma+ that emphasises the positives.
"""

from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Lt
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax, logsigmoid, softplus

from glc.config import Dropout, NotNegative, section
from glc.registry import losses
from glc.training import fused
from glc.training.targets import multi_hot, positions
from glc.types import MemberOptions

_TINY = 1e-30
Reduction = Literal["mean", "sum"]


class Loss:
    """A loss of logits against the species that are present. It must have `__call__`; all else has a default:

    >>> @losses.register("brier")
    ... class Brier(Loss):
    ...     '''Mean squared error of the probabilities.'''
    ...
    ...     soft_targets = True
    ...
    ...     def __call__(self, logits, targets, weights=None, class_weights=None):
    ...         terms = (logits.sigmoid() - targets) ** 2
    ...         terms = terms if class_weights is None else terms * class_weights
    ...         return (terms if weights is None else terms * weights[:, None]).mean()
    >>> Brier(Brier.Options())(torch.zeros(2, 3), torch.ones(2, 3))
    tensor(0.2500)
    """

    name: ClassVar[str] = ""
    """Given by the registry."""
    link: ClassVar[str] = "sigmoid"
    """Logits to probabilities, of `glc.nets.checkpoints.LINKS`."""
    soft_targets: ClassVar[bool] = False
    """Whether targets between 0 and 1, as of mixup, mean what they should."""
    monitors: ClassVar[tuple[str, ...]] = ("f1", "loss")
    """What of a validation ``train.monitor`` can watch."""

    @property
    def of_rows(self) -> Literal["mean", "sum", "joint"]:
        """How the losses of parts of a batch make up that of the batch, for a training in several processes.

        mean : weighted by the rows of the parts
        sum : their sum
        joint : not at all; each process then computes the loss of all rows, whose logits travel between the processes
        """
        return "joint"

    @section
    class Options:
        """Options of ``train.loss`` next to its ``name``: none."""

    def __init__(self, options: MemberOptions) -> None:
        """Keep the options.

        options : the loss's own `Options`
        """
        self.options = options

    def __call__(
        self,
        logits: torch.Tensor,
        targets: torch.Tensor,
        weights: torch.Tensor | None = None,
        class_weights: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The loss of a batch.

        logits : (batch, class) float
        targets : (batch, class), the same float type, 0 or 1
        weights : (batch,), one per example. They multiply the terms and do not change the divisor of a mean, so an
            example of weight 0.2 counts a fifth of one of weight 1 in whatever batch it comes
        class_weights : (class,)
        returns : scalar
        """
        raise NotImplementedError(f"{type(self).__name__} does not say what it costs")

    def of_lists(
        self,
        logits: torch.Tensor,
        species: torch.Tensor,
        weights: torch.Tensor | None = None,
        class_weights: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The loss of a batch whose targets are lists; a loss that needs no dense targets saves their memory.

        species : (batch, width) int, class indices padded by -1
        logits, weights, class_weights : as above
        returns : scalar
        """
        return self(logits, multi_hot(species, logits.shape[1]), weights, class_weights)


class Elementwise(Loss):
    """A loss that is a sum over classes, whose slope is written down: it must have `_negative` and `_positive`."""

    def __call__(
        self,
        logits: torch.Tensor,
        targets: torch.Tensor,
        weights: torch.Tensor | None = None,
        class_weights: torch.Tensor | None = None,
    ) -> torch.Tensor:
        return self._reduced(logits, targets.reshape(-1).nonzero().squeeze(1), weights, class_weights)

    def of_lists(
        self,
        logits: torch.Tensor,
        species: torch.Tensor,
        weights: torch.Tensor | None = None,
        class_weights: torch.Tensor | None = None,
    ) -> torch.Tensor:
        return self._reduced(logits, positions(species, logits.shape[1]), weights, class_weights)

    def _reduced(self, logits, present, weights, class_weights):
        return fused.reduced(
            logits,
            present,
            weights,
            class_weights,
            negative=self._negative,
            positive=self._positive,
            mean=self.options.reduction == "mean",
        )

    def _negative(self, x):
        """Loss and slope of logits whose target is 0, two new tensors."""
        raise NotImplementedError(f"{type(self).__name__} does not say what an absent species costs")

    def _positive(self, x):
        """Loss and slope of logits whose target is 1; a slope None is that of a negative less 1."""
        raise NotImplementedError(f"{type(self).__name__} does not say what a present species costs")


@losses.register("bce")
class BinaryCrossEntropy(Elementwise):
    """Binary cross-entropy on logits: ``-(y log p + (1 - y) log(1 - p))``."""

    soft_targets = True

    @section
    class Options:
        reduction: Reduction = "mean"
        """mean over batch and classes, or sum."""

    @property
    def of_rows(self) -> Literal["mean", "sum", "joint"]:
        return self.options.reduction

    def __call__(
        self,
        logits: torch.Tensor,
        targets: torch.Tensor,
        weights: torch.Tensor | None = None,
        class_weights: torch.Tensor | None = None,
    ) -> torch.Tensor:
        weight = class_weights
        if weights is not None:
            weight = weights[:, None] if weight is None else weights[:, None] * weight
        return binary_cross_entropy_with_logits(logits, targets, weight, reduction=self.options.reduction)

    def _negative(self, x):
        return x - logsigmoid(x), torch.sigmoid(x)

    def _positive(self, x):
        return -logsigmoid(x), None


@losses.register("cross_entropy")
class CrossEntropy(Loss):
    """Softmax cross-entropy: ``-sum_k y_k log p_k``, one label per row (Deneu et al. 2020, section 3.2).

    Of several labels each is an equal share of the row, which then counts as much as one of a single label; a row
    without any costs nothing. The probabilities are relative: over all classes they sum to 1.
    """

    link = "softmax"
    monitors = (*Loss.monitors, "top30")

    @section
    class Options:
        reduction: Reduction = "mean"
        """mean over the batch, or sum."""

    @property
    def of_rows(self) -> Literal["mean", "sum", "joint"]:
        return self.options.reduction

    def __call__(
        self,
        logits: torch.Tensor,
        targets: torch.Tensor,
        weights: torch.Tensor | None = None,
        class_weights: torch.Tensor | None = None,
    ) -> torch.Tensor:
        shares = targets / targets.sum(dim=1, keepdim=True).clamp(min=1)
        if class_weights is not None:
            shares = shares * class_weights
        rows = -(shares * log_softmax(logits, dim=1)).sum(dim=1)
        total = rows.sum() if weights is None else rows @ weights
        return total / len(logits) if self.options.reduction == "mean" else total


@losses.register("asl")
class Asymmetric(Elementwise):
    """Asymmetric loss (Ridnik et al. 2021): focal loss with its own focus for positives and negatives.

    ``-(y (1 - p)^gamma_pos log p + (1 - y) p_m^gamma_neg log(1 - p_m))`` with ``p_m = max(p - clip, 0)``: negatives
    below the clip cost nothing. With both gammas and the clip 0 it is binary cross-entropy of the same reduction. The
    authors sum over batch and classes where binary cross-entropy takes the mean: that changes the size of the
    gradients, hence what the epsilon of Adam and the learning rate mean to them.
    """

    @section
    class Options:
        gamma_pos: NotNegative = 1.0
        """Focus of positives; 0 for none."""
        gamma_neg: NotNegative = 4.0
        """Focus of negatives; 0 for none."""
        clip: Dropout = 0.05
        """Probability margin of negatives: below it they cost nothing."""
        reduction: Reduction = "sum"
        """mean over batch and classes, or sum."""

    @property
    def of_rows(self) -> Literal["mean", "sum", "joint"]:
        return self.options.reduction

    def _negative(self, x):
        gamma, clip = self.options.gamma_neg, self.options.clip
        p = torch.sigmoid(x)
        if not clip:  # 1 - p rounds to 0 for large logits, softplus does not
            cost, focus = softplus(x), _power(p, gamma)
            return focus * cost, focus * (gamma * cost * (1 - p) + p)
        q = (p - clip).clamp_(min=0)
        cost = torch.log1p(-q).neg_()
        slope = (1 - q).reciprocal_()
        if gamma:
            slope.addcdiv_(cost, q.clamp(min=_TINY), value=gamma)
        focus = _power(q, gamma) if gamma else q > 0
        return cost.mul_(focus), slope.mul_(focus).mul_(p).mul_(1 - p)

    def _positive(self, x):
        return _focal_positive(x, self.options.gamma_pos)


@losses.register("hill")
class Hill(Elementwise):
    """Hill loss (Zhang et al. 2021), robust to missing labels.

    ``-y (1 - p_m)^gamma log p_m + (1 - y) (lam - p) p^2`` with ``p_m = sigmoid(logit - margin)``. The negative term is
    a hill: it falls again above ``p = 2 lam / 3``, where a "negative" is more likely a species that was overlooked.
    """

    @section
    class Options:
        lam: Annotated[float, Ge(1)] = 1.5
        """Height of the hill; below 1 the loss of a negative would not be positive."""
        gamma: NotNegative = 2.0
        """Focus of positives; 0 for none."""
        margin: float = 1.0
        """Margin of positives, a logit."""
        reduction: Reduction = "sum"
        """mean over batch and classes, or sum (the authors')."""

    @property
    def of_rows(self) -> Literal["mean", "sum", "joint"]:
        return self.options.reduction

    def _negative(self, x):
        p = torch.sigmoid(x)
        square = p * p
        slope = (2 * self.options.lam - 3 * p).mul_(square).mul_(1 - p)
        return (self.options.lam - p).mul_(square), slope

    def _positive(self, x):
        return _focal_positive(x - self.options.margin, self.options.gamma)


@losses.register("deepmaxent")
class DeepMaxent(Loss):
    """Maximum entropy of each species over the sites of a batch (DeepMaxent, Ryckewaert et al. 2024).

    ``-sum_s sum_i y_is log p_is`` with ``p_s`` the softmax of the logits of species s over the rows i of the batch,
    divided by the presences; a row's weight counts in both sums. All rows are sites that hold a record of some species,
    so that what was searched for and where counts little: the background is the target group. What is added to all
    logits of a species changes nothing, so that the biases stay what they are at the start: the net should begin at the
    frequencies (``model.prior``). A species that is in every row, or in none, teaches nothing.
    """

    def __call__(
        self,
        logits: torch.Tensor,
        targets: torch.Tensor,
        weights: torch.Tensor | None = None,
        class_weights: torch.Tensor | None = None,
    ) -> torch.Tensor:
        if weights is None:
            terms = targets * log_softmax(logits, dim=0)
        else:
            background = torch.logsumexp(logits + weights.log()[:, None], dim=0)
            terms = targets * weights[:, None] * (logits - background)
        if class_weights is not None:
            terms = terms * class_weights
        return -terms.sum() / targets.sum().clamp(min=1)


@losses.register("sigmoid_f1")
class SigmoidF1(Loss):
    """One minus a smooth F1 (Benedict et al. 2021): counts of true and false decisions by a sigmoid in place of a step.

    The sigmoid is ``1 / (1 + exp(-beta (u + eta)))`` with ``beta = -S`` and ``eta = E``, on the logits u (equation 7 of
    the 2024 paper). The code of both papers takes for u the logits squeezed through an ordinary sigmoid, from 0 to 1:
    `squeeze`. There S = -1 and E = 0 keep all decisions between .5 and .73, so the same S and E are another loss.
    `average` ``macro`` takes the F1 of each class over the batch, then the mean over classes, as the authors' code
    does; ``micro`` pools all classes. Under macro a class without a positive in the batch costs 1 whatever the logits
    and gives no gradient.
    """

    @section
    class Options:
        S: Annotated[float, Lt(0)] = -1.0
        """Steepness of the sigmoid."""
        E: float = 0.0
        """Shift of the sigmoid, a logit."""
        average: Literal["macro", "micro"] = "macro"
        """macro: the mean over classes; micro pools the counts of all classes."""
        squeeze: bool = False
        """Squeeze the logits through an ordinary sigmoid before S and E, as the authors' code does (not equation 7)."""

    def __call__(
        self,
        logits: torch.Tensor,
        targets: torch.Tensor,
        weights: torch.Tensor | None = None,
        class_weights: torch.Tensor | None = None,
    ) -> torch.Tensor:
        u = logits.sigmoid() if self.options.squeeze else logits
        decided = torch.sigmoid(-self.options.S * (u + self.options.E))
        count = (lambda x: x.sum(dim=0)) if weights is None else (lambda x: weights @ x)
        hits, total = count(decided * targets), count(decided) + count(targets)  # total: 2 tp + fp + fn
        if self.options.average == "micro":
            if class_weights is not None:
                hits, total = hits * class_weights, total * class_weights
            hits, total = hits.sum(), total.sum()
        f1 = 2 * hits / total.clamp(min=_TINY)
        if class_weights is not None and self.options.average == "macro":
            return 1 - (f1 * class_weights).sum() / class_weights.sum()
        return 1 - f1.mean()


def _focal_positive(x, gamma):
    """Value and slope of ``-(1 - p)^gamma log p`` for the logits `x` of positives."""
    p, miss = torch.sigmoid(x), torch.sigmoid(-x)
    cost, focus = softplus(-x), _power(miss, gamma)
    return focus * cost, -focus * (miss + gamma * p * cost)


def _power(base, exponent):
    if exponent in (2, 4):  # a tenth of the time of torch's pow
        square = base * base
        return square if exponent == 2 else square * square
    return base.pow(exponent)
