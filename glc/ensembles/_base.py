"""What every ensemble is."""

from dataclasses import dataclass


class Ensemble:
    """A model whose scores are made of those of other experiments, its members."""

    kind = ""

    @dataclass(frozen=True)
    class Prediction:
        """Options of prediction only (the experiment's ``[predict]``): none."""
