"""The ensemble of models: the mean of their ranks, which asks nothing of the scales of their scores."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata


def rank_mean(scores: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over models of each site's rank among the sites, species by species.

    scores : list of (site, species), one a model
    returns : (site, species) float64 in (0, 1]; ties share their mean rank
    """
    return np.mean([rankdata(model_scores, axis=0) / len(model_scores) for model_scores in scores], axis=0)
