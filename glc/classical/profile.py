"""Ridge regression of the labels on the profile of a survey's surroundings: the share of each species in the records.

Near surveys vote for their own species alone (`glc.classical.votes`); here the whole composition of the surroundings,
in few principal components, speaks for or against every species. The square root of the shares is the Hellinger
transformation of community ecology (Legendre & Gallagher 2001), which keeps the common species from drowning the rest.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from annotated_types import Ge
from scipy import sparse

from glc.classical._base import Classical, Scorer
from glc.config import EACH_ONCE, Count, Positive, Seed, require, section
from glc.errors import DataError
from glc.neighbours import kernels
from glc.progress import tqdm
from glc.registry import models
from glc.surveys import TEST, SurveyData

_PA, _PO = 0, 1  # sources of kernel votes
_ROWS = 512
_SPECIES = 500  # labels are made dense for so many species at a time

Scales = Annotated[tuple[Positive, ...], EACH_ONCE]


@models.register("profile")
class Profile(Classical):
    """Labels from the principal components of the profile of records around a survey.

    At each scale s, and apart for presence-absence and presence-only surveys, a record at great-circle distance d
    counts exp(-d^2 / 2 s^2), and the profile has for each species

        sqrt(records / (records of all species + prior)).

    The leading components of the profiles of the training surveys, divided by one number so that their variances sum
    to 1, are the features of the ridge, the labels its responses. A score is the prediction, cut to 0..1;
    a survey whose scores are all 0 takes the mean of the training surveys.

    Which records a profile may hold says `glc.neighbours.kernels.Kernels.visible`: a training survey's none of its own
    spatial block, nobody's any of the validation fold. The components too are found without the surveys to be scored.
    """

    @section
    class Options:
        po_scales_m: Scales = (24_000, 12_000, 6_000)
        """Gaussian scales of presence-only records, metres; may be empty if `pa_scales_m` is not."""
        pa_scales_m: Scales = (24_000, 12_000)
        """Gaussian scales of presence-absence records, metres; may be empty if `po_scales_m` is not. Scales well below
        a spatial block find no presence-absence records in it."""
        prior: Positive = 50
        """Records by which a thin profile is shrunk."""
        components: Count = 100
        """Maximum number of principal components."""
        alpha: Positive = 30
        """Penalty of the ridge."""
        surveys: Annotated[int, Ge(2)] = 10_000
        """Maximum number of surveys, drawn evenly, from which the components are found."""
        seed: Seed = 0
        """Seed of that draw and of the SVD."""

        def __post_init__(self) -> None:
            some = len(self.po_scales_m + self.pa_scales_m) > 0
            require(some, "pa_scales_m", self, "one or more distances here or in po_scales_m")

    def fit(self, data: SurveyData, fold: int | None, table: np.ndarray | None = None) -> Scorer:
        """`facts` then holds the components used and the share of the profiles' variance that they keep.

        A DataError tells of training surveys whose profiles are all the same, as where nothing was recorded around
        them.
        """
        train = data.train(fold)
        profiles = _Profiles(data, fold, self.options)
        components = self._components(profiles, train)
        features = _project(profiles, components, train, "profiles of the training")
        coefficients, intercept = self._ridge(features, data.labels_of(train))
        mean = np.asarray(data.labels_of(train).mean(axis=0)).ravel()
        self._fitted = {
            "centre": components[0],
            "axes": components[1],
            "coefficients": coefficients,
            "intercept": intercept,
            "mean": mean,
        }
        self._fold = fold
        return _scorer(profiles, **self._fitted)

    def save(self, folder: Path) -> None:
        """Write the components and the regression as ``profile.npz``: to find them again takes half a minute."""
        np.savez(folder / "profile.npz", fold=TEST if self._fold is None else self._fold, **self._fitted)

    def restore(self, folder: Path, data: SurveyData) -> Scorer:
        with np.load(folder / "profile.npz", allow_pickle=False) as arrays:
            fitted = dict(arrays)
        fold = int(fitted.pop("fold"))
        return _scorer(_Profiles(data, None if fold == TEST else fold, self.options), **fitted)

    def _components(self, profiles, train):
        from sklearn.decomposition import PCA

        o = self.options
        if len(train) > o.surveys:
            train = np.sort(np.random.default_rng(o.seed).choice(train, o.surveys, replace=False))
        known = np.empty((len(train), profiles.width), np.float32)
        for start, block in profiles.blocks(train, "profiles for the components"):
            known[start : start + len(block)] = block
        if not len(known) or not np.ptp(known, axis=0).any():
            raise DataError(
                f"model 'profile': the profiles of records around {len(train):,} training surveys are all the same; "
                "expected records in reach of most of them; use larger scales, or the model 'frequency'"
            )
        pca = PCA(min(o.components, *known.shape), copy=False, random_state=o.seed).fit(known)
        kept = float(pca.explained_variance_ratio_.sum())
        self.facts = {"components": int(pca.n_components_), "variance_kept": kept, "surveys": len(train)}
        return pca.mean_, pca.components_.T / np.sqrt(pca.explained_variance_.sum())

    def _ridge(self, features, labels):
        """Coefficients (k, m) and intercept (m,), by groups of species for the labels' sake."""
        from sklearn.linear_model import Ridge

        columns, parts = labels.tocsc(), []
        for start in range(0, labels.shape[1], _SPECIES):
            some = columns[:, start : start + _SPECIES].toarray().astype(features.dtype)
            parts.append(Ridge(self.options.alpha).fit(features, some))
        shape = (-1, features.shape[1])
        coefficients = np.concatenate([part.coef_.reshape(shape) for part in parts])
        return coefficients.T, np.concatenate([np.ravel(part.intercept_) for part in parts])


def _scorer(profiles, centre, axes, coefficients, intercept, mean) -> Scorer:
    """Scores of places: their profiles in components, and the regression of those; `mean` where it gives nothing."""

    def score(places: pd.DataFrame, _: np.ndarray | None) -> sparse.csr_matrix:
        blocks = [sparse.csr_matrix((0, len(mean)), dtype=np.float32)]
        steps = range(0, len(places), _ROWS)
        for start in tqdm(steps, desc="profiles asked for", unit=f"{_ROWS} surveys", leave=False):
            profile = profiles.of(profiles.votes.around(places.iloc[start : start + _ROWS], True))
            asked = _projected(profile, (centre, axes)).astype(np.float64)
            shares = np.clip(asked @ coefficients + intercept, 0, 1)
            shares[shares.max(axis=1) <= 0] = mean
            blocks.append(sparse.csr_matrix(shares.astype(np.float32)))
        return sparse.vstack(blocks, format="csr")

    return score


class _Profiles:
    """Profiles (n, width) float32 of surveys by row number, the sources and scales side by side."""

    def __init__(self, data, fold, options):
        po = options.po_scales_m if len(data.presence_only) else ()  # the presence-only may be what is trained on
        if not po + options.pa_scales_m:
            raise DataError(
                f"model 'profile': po_scales_m = {list(options.po_scales_m)} and no presence-only surveys besides the "
                f"training surveys ({data.train_name}); expected some; give pa_scales_m"
            )
        scales = tuple(sorted({*po, *options.pa_scales_m}, reverse=True))
        chosen = kernels.Options(scales_m=scales, po=bool(po), training="block")
        self.votes = kernels.Kernels(data, fold, options=chosen)
        self.parts = [(1 + scales.index(scale), _PO) for scale in po]
        self.parts += [(1 + scales.index(scale), _PA) for scale in options.pa_scales_m]
        self.prior = np.float32(options.prior)
        self.width = len(self.parts) * self.votes.shape[1]

    def blocks(self, rows, name):
        """Numbers of first rows, and their profiles."""
        for start in tqdm(range(0, len(rows), _ROWS), desc=name, unit=f"{_ROWS} surveys", leave=False):
            yield start, self.of(self.votes[rows[start : start + _ROWS]])

    def of(self, votes):
        """Profiles (n, width) of kernel votes (n, m, 1 + scale, source)."""
        shares = []
        for scale, source in self.parts:
            records = votes[:, :, scale, source]
            shares.append(np.sqrt(records / (records.sum(axis=1, keepdims=True) + self.prior)))
        return np.concatenate(shares, axis=1)


def _project(profiles, components, rows, name):
    projected = np.empty((len(rows), components[1].shape[1]))
    for start, block in profiles.blocks(rows, name):
        projected[start : start + len(block)] = _projected(block, components)
    return projected


def _projected(profiles, components):
    mean, axes = components
    return (profiles - mean) @ axes
