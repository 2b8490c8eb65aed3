"""The blend: which sources predict a target best together (Caruana et al. 2004), and an honest figure of the choice."""

from collections import Counter

import numpy as np
import pandas as pd

from glc.location.downstream.heads import Prediction


def choose(target, truth, candidates, most=10):
    """Forward selection of sources whose mean predicts `target` best: Counter of labels.

    candidates : label -> Prediction of the held-out places, of which truth (n,) is known
    A source may be picked again, which raises its weight; at most `most` picks, and none that does not gain.
    """
    if target.kind == "class":
        known = np.array([one is not None for one in truth])
        classes = np.unique(np.concatenate([one.classes for one in candidates.values()]))
        values = {label: one.over(classes).values[known] for label, one in candidates.items()}
        codes = pd.Index(classes).get_indexer(truth[known])  # -1, never right, for a class that no source knows

        def score(mean):
            return (mean.argmax(axis=1) == codes).mean()
    else:
        truth = truth.astype(np.float64)
        values = {label: one.values for label, one in candidates.items()}

        def score(mean):
            return -np.square(truth - mean).mean()

    picked, total, best = Counter(), 0, -np.inf
    for _ in range(most):
        gains = {label: score((total + one) / (picked.total() + 1)) for label, one in values.items()}
        label = max(gains, key=gains.get)
        if gains[label] <= best:
            break
        best, total = gains[label], total + values[label]
        picked[label] += 1
    return picked


def weighted(predictions, weights):
    """Mean of predictions by label, weighted by a Counter of labels."""
    return Prediction.mean(predictions[label] for label in weights.elements())


def held_out(target, truth, candidates, fold):
    """The blend's Prediction of each fold by the sources that the other folds choose.

    fold : (n,) fold of each place
    So the weights are not chosen by the labels that judge them, as those of `choose` on all folds would be.
    """
    parts, rows = [], []
    for number in np.unique(fold):
        asked = fold == number
        weights = choose(target, truth[~asked], {label: one.at(~asked) for label, one in candidates.items()})
        parts.append(weighted({label: one.at(asked) for label, one in candidates.items()}, weights))
        rows.append(np.flatnonzero(asked))
    return Prediction.join(parts, rows, len(fold))
