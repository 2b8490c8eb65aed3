"""What a stack is fitted with: which pairs it learns from, its curves and weights, its trees."""

from typing import Annotated, Literal

from annotated_types import Ge

from glc.config import EACH_ONCE, SOME, Count, NotNegative, Positive, Rate, Seed, section


@section
class FitOptions:
    """Of the fit."""

    surveys: Count = 10_000
    """Validation surveys that are learned from, at most, drawn evenly."""
    best: Count = 100
    """Of each survey, the pairs with its present species and with its `best` highest mean scores are all learned
    from."""
    sampled: Count = 50
    """Pairs drawn among all others of a survey, weighted up to represent them."""
    bins: Annotated[int, Ge(3)] = 60
    """Bins of a member's calibration curve, equal in log score."""
    penalty: NotNegative = 0.001
    """Penalty of the squared distance of the weights from equal shares, added to the mean loss of an occurrence."""
    frequency: bool = True
    """Whether the species' frequency is a term."""
    seed: Seed = 0
    """Seed of the draws."""
    fit: Literal["weights", "boosted"] = "weights"
    """weights; or boosted: trees on top of them, with the options below."""
    candidates: Count = 200
    """Species per survey that the trees see, those with the highest mean scores."""
    scales_m: Annotated[tuple[Positive, ...], SOME] = (3_000, 6_000, 12_000, 24_000, 48_000)
    """Gaussian scales of the records around a survey that the trees see, metres."""
    effort: Annotated[tuple[Literal["areaInM2", "year", "geoUncertaintyInM"], ...], EACH_ONCE] = ()
    """Columns of the survey tables that the trees see, because they say how much of what is there was found."""
    trees: Count = 100
    """Trees of the boosting."""
    depth: Count = 4
    """Maximum depth of the trees."""
    learning_rate: Rate = 0.1
    """Share of each tree's step that is taken."""
    least: NotNegative = 20.0
    """Minimum weight of a leaf (sum of the Hessian)."""
