"""What every classical model is."""

from dataclasses import dataclass


class Classical:
    """A model that is fitted without gradients, from the surveys alone."""

    kind = "classical"

    @dataclass(frozen=True)
    class Prediction:
        """Options of prediction only (the experiment's ``[predict]``): none."""
