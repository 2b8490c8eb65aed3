"""What every classical model is."""

from glc.config import section


class Classical:
    """A model that is fitted without gradients, from the surveys alone."""

    kind = "classical"
    spark = False

    @section
    class Prediction:
        """Options of prediction only (the experiment's ``[predict]``): none."""
