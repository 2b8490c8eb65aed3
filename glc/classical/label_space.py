"""Low-rank regression of the label matrix: few numbers a survey are learnt, thousands of species come back.

Principal label space transformation (Tai & Lin 2012), the second of the alternatives of Miyaguchi et al. 2024, section
7.1.2: labels Y (survey, species) are projected to Z = (Y - mean) V with orthonormal columns V, a regression learns Z
from the place, and its prediction is decoded to mean + Z V^T.
"""

from typing import Literal

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, svds

from glc import dct
from glc.classical._base import Scorer
from glc.classical._places import PlaceOptions, place_features
from glc.classical._sources import ChoosesSources, TrainingSources, training_rows
from glc.config import Count, NotNegative, Seed, section
from glc.progress import tqdm
from glc.registry import models
from glc.surveys import SurveyData


@models.register("label_space")
class LabelSpace(ChoosesSources):
    """Labels predicted from coordinates through `rank` components of the label space.

    Decoded by ``reconstruct``, a score is mean + Z V^T, cut to 0..1. Decoded by ``nearest``, as the paper thought of,
    it is the share of the `k` training surveys with the nearest Z that hold the species (k = 1: their very set).
    Presence-only surveys do not vote where there are others: most have one species, and many of them lie near any
    shrunken prediction, so that sets of one species would come out. A survey whose scores are all 0 takes the mean of
    the training surveys.
    """

    trial = {"rank": 4}

    @section
    class Options(PlaceOptions, TrainingSources):
        transform: Literal["svd", "dct"] = "svd"
        """Components of the labels: principal ones, or a DCT along the species by frequency."""
        rank: Count = 32
        """Components kept."""
        regressor: Literal["ridge", "boosting"] = "ridge"
        """What maps coordinates to the components: ridge regression, or boosting of trees."""
        alpha: NotNegative = 1.0
        """Penalty of the ridge."""
        trees: Count = 100
        """Maximum number of trees per component; above 10,000 surveys scikit-learn stops early, on a tenth of them."""
        decoding: Literal["reconstruct", "nearest"] = "reconstruct"
        """reconstruct: the mean plus the components; nearest: votes of the nearest surveys among the components."""
        k: Count = 50
        """Surveys that nearest asks."""
        seed: Seed = 0
        """Seed of the boosting."""

    def fit(self, data: SurveyData, fold: int | None, table: np.ndarray | None = None) -> Scorer:
        """`facts` then holds the components used and the share of the labels' variance that they keep."""
        o = self.options
        train = training_rows(data, fold, o.sources)
        known = data.labels_of(train).astype(np.float64)
        mean = np.asarray(known.mean(axis=0)).ravel()
        components = _COMPONENTS[o.transform](known, o.rank)
        projected = project(known, components)
        self.facts = {"components": components.shape[1], "variance_kept": variance_kept(known, components)}
        complete = np.isin(train, data.train(fold))
        voters = np.flatnonzero(complete) if complete.any() else np.arange(len(train))
        place = data.places.iloc[train]
        predict = self._regress(place_features(place, place, o), projected)

        def score(places: pd.DataFrame, _: np.ndarray | None) -> sparse.csr_matrix:
            predicted = predict(place_features(places, place, o))
            if o.decoding == "nearest":
                scores = _of_nearest(known[voters], projected[voters], predicted, min(o.k, len(voters)))
            else:
                scores = _reconstructed(mean, components, predicted)
            return _or_mean(scores, mean).astype(np.float32)

        return score

    def _regress(self, features, projected):
        """Predicted components (n, r) as a function of features (n, d)."""
        from sklearn.ensemble import HistGradientBoostingRegressor
        from sklearn.linear_model import Ridge

        o = self.options
        if o.regressor == "ridge":
            ridge = Ridge(alpha=o.alpha).fit(features, projected)
            return lambda asked: ridge.predict(asked).reshape(len(asked), -1)
        trees = [
            HistGradientBoostingRegressor(max_iter=o.trees, random_state=o.seed).fit(features, component)
            for component in tqdm(projected.T, desc="boosting", unit="component")
        ]
        return lambda asked: np.column_stack([each.predict(asked) for each in trees])


def principal_components(labels, rank):
    """The `rank` leading right singular vectors (m, rank) of the centred `labels`, orthonormal columns, signs fixed.

    labels : sparse (n, m) float64, which is never made dense: centring is a rank-one term of each product. The rank is
    at most the smaller side.
    """
    rank = min(rank, *labels.shape)
    if rank < min(labels.shape):
        start = np.random.default_rng(0).uniform(-1, 1, min(labels.shape))
        vectors = svds(_centred(labels), k=rank, v0=start, return_singular_vectors="vh")[2][::-1].T
    else:  # ARPACK wants less than the smaller side, which here is no more than `rank`
        centred = labels.toarray() - np.asarray(labels.mean(axis=0))
        vectors = np.linalg.svd(centred, full_matrices=False)[2].T
    largest = np.abs(vectors).argmax(axis=0)
    return vectors * np.sign(vectors[largest, np.arange(rank)])


def cosine_components(labels, rank):
    """The `rank` lowest coefficients of the orthonormal DCT-II along the species, the most frequent first: (m, rank).

    Neighbours in that order have nothing in common but their number, so presence jumps from one to the next and the
    low terms keep little. Share of the variance kept of the 6,400 x 800 training labels of virtual:small:

        terms    4    8     32    128   256   512
        svd    .099  .149  .309  .613  .819  .991
        dct    .020  .026  .056  .173  .334  .647

    A species more or less is a jump, and a jump takes all terms: the paper, with 4 to 8 of them to spend, gave up.
    """
    order = np.argsort(-np.asarray(labels.sum(axis=0)).ravel(), kind="stable")
    components = np.empty((labels.shape[1], min(rank, labels.shape[1])))
    components[order] = dct.basis(*components.shape).T
    return components


def project(labels, components):
    """Components (n, r) of the centred sparse `labels` (n, m) in orthonormal columns (m, r)."""
    return labels @ components - np.asarray(labels.mean(axis=0)) @ components


def variance_kept(labels, components):
    """Share, 0 to 1, of the variance of the sparse `labels` (n, m) that orthonormal columns (m, r) keep.

    One minus it is the squared relative error of the reconstruction.
    """
    mean = np.asarray(labels.mean(axis=0)).ravel()
    total = labels.multiply(labels).sum() - labels.shape[0] * (mean**2).sum()
    return float((project(labels, components) ** 2).sum() / total) if total > 0 else 1.0


_COMPONENTS = {"svd": principal_components, "dct": cosine_components}


def _centred(labels):
    mean = np.asarray(labels.mean(axis=0)).ravel()
    transposed = labels.T.tocsr()
    return LinearOperator(
        labels.shape,
        matvec=lambda v: labels @ v.ravel() - mean @ v.ravel(),
        rmatvec=lambda u: transposed @ u.ravel() - mean * u.sum(),
        matmat=lambda v: labels @ v - mean @ v,
        rmatmat=lambda u: transposed @ u - np.outer(mean, u.sum(axis=0)),
        dtype=np.float64,
    )


def _reconstructed(mean, components, predicted, rows=1_024):
    """CSR (n, m) of mean + Z V^T, cut to 0..1."""
    blocks = [
        sparse.csr_matrix(np.clip(mean + predicted[start : start + rows] @ components.T, 0, 1).astype(np.float32))
        for start in range(0, len(predicted), rows)
    ]
    return sparse.vstack([sparse.csr_matrix((0, len(mean)), dtype=np.float32), *blocks], format="csr")


def _of_nearest(labels, projected, predicted, k):
    """CSR (n, m): the mean of the `k` rows of `labels` whose projection is nearest to each predicted one."""
    from sklearn.neighbors import NearestNeighbors

    # tens of dimensions: a tree would look at nearly all points, and more slowly
    near = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(projected).kneighbors(predicted)[1]
    vote = sparse.csr_matrix(
        (np.full(near.size, 1 / k), near.ravel(), np.arange(len(near) + 1) * k), shape=(len(near), labels.shape[0])
    )
    return (vote @ labels).tocsr()


def _or_mean(scores, mean):
    """`scores` with `mean` in the rows that have no positive score: every survey must have one."""
    empty = np.flatnonzero(np.asarray(scores.max(axis=1).todense()).ravel() <= 0) if scores.shape[0] else []
    if not len(empty):
        return scores
    fallback = sparse.csr_matrix(mean)[np.zeros(len(empty), int)]
    row = np.arange(scores.shape[0])
    row[empty] = scores.shape[0] + np.arange(len(empty))
    return sparse.vstack([scores, fallback], format="csr")[row]
