"""A blend as a model: which experiments' scores are averaged; the averaging is `glc.prediction.blend`."""

from dataclasses import dataclass

from glc import config
from glc.prediction.scores import AVERAGES
from glc.registry import models


@models.register("blend")
class Blend:
    """The mean of several experiments' scores: of all, or of those that beat a `baseline` (`glc.prediction.blend`).

    The members run on the folds of the blend, whatever number of folds they run by themselves.
    """

    kind = "blend"

    @dataclass(frozen=True)
    class Options:
        """Which experiments, and how."""

        members: tuple[str, ...] = ()
        """Names of experiments, with changes where wanted (``votes+model.prior=500``)."""
        baseline: str = ""
        """An experiment whose validation F1 a member must beat to be in; none: all are in."""
        average: str = "logits"
        """logits (Liu et al. 2024), or probabilities (the late fusion of Deneu et al. 2020)."""

        def __post_init__(self):
            config.require(len(self.members) > 0, "members", self, "names of experiments")
            config.require(len(set(self.members)) == len(self.members), "members", self, "each experiment once")
            config.require(self.baseline not in self.members, "baseline", self, "an experiment that is no member")
            config.require(self.average in AVERAGES, "average", self, f"one of {', '.join(AVERAGES)}")
