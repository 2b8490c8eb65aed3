"""What every ensemble is."""

from glc.config import section


class Ensemble:
    """A model whose scores are made of those of other experiments, its members."""

    kind = ""

    @section
    class Prediction:
        """Options of prediction only (the experiment's ``[predict]``): none."""
