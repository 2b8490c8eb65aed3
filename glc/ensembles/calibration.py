"""Scores calibrated to presence rates: a rising curve on log-log axes, and one rate for all missing scores."""

from dataclasses import dataclass

import numpy as np
from scipy.special import logit

from glc.errors import DataError

_TINY = 1e-7
"""Lowest score and rate that are told apart."""
_CERTAIN = 0.999
"""Highest rate."""


@dataclass(frozen=True)
class Curve:
    """A member's calibration: knots `x` (log score) and `y` (logit rate), both rising, and the logit rate `missing`."""

    x: np.ndarray
    y: np.ndarray
    missing: float

    def __call__(self, scores):
        """Logit rates of `scores`, any shape; zero is a missing score."""
        rates = np.interp(np.log(np.maximum(scores, _TINY)), self.x, self.y)
        return np.where(scores > 0, rates, self.missing).astype(np.float32)


def fit(scores, held, weight, bins):
    """The `Curve` of one member, from pairs (survey, species).

    scores : (p,), 0 where the member has none; held : (p,) bool, whether the survey holds the species; weight : (p,)
    pairs that each stands for; bins : of equal width in log score, before levels that fall are merged
    """
    from sklearn.isotonic import IsotonicRegression

    at = scores > 0
    if not at.any():
        raise DataError("stack: a member has no positive score of any pair; leave it out")
    x = np.log(np.maximum(scores[at], _TINY))
    index = np.searchsorted(np.linspace(x.min(), x.max(), bins), x)
    size = np.bincount(index, weight[at])
    used = size > 0
    size = size[used]
    centre = np.bincount(index, weight[at] * x)[used] / size
    level = np.bincount(index, weight[at] * held[at])[used] / size
    level = IsotonicRegression(y_min=0, y_max=1).fit_transform(centre, level, sample_weight=size)
    # one knot for each level, in the middle of its bins: between them the curve rises, and no order is lost
    step = np.unique(level, return_inverse=True)[1]
    mass = np.bincount(step, size)
    x, y = np.bincount(step, size * centre) / mass, np.bincount(step, size * level) / mass
    y = logit(np.clip(y, _TINY, _CERTAIN))
    # half a presence in one pair more: a few missing pairs without any must not rule the species out
    missing = logit((weight[~at] @ held[~at] + 0.5) / (weight[~at].sum() + 1)) if not at.all() else y[0]
    return Curve(x, y, float(missing))
