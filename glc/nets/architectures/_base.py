"""What every net is."""

from torch import nn

from glc.config import section


class Net(nn.Module):
    """A net that is trained by `glc.nets.trainer`."""

    kind = "net"

    @section
    class Prediction:
        """Options of prediction only (the experiment's ``[predict]``): none."""

    @classmethod
    def prediction_features(cls, features, data, prediction):
        """The features to predict with, and facts about them for the manifest.

        features : `glc.nets.inputs.features.Features` of the surveys, or None for a net without inputs
        data : `glc.surveys.SurveyData`
        prediction : `Prediction`
        returns : (features, dict of plain values)
        """
        return features, {}

    def logits(self, batch, prediction):
        """Logits (batch, class) float32 for prediction, as the options `prediction` (`Prediction`) ask."""
        return self(batch)
