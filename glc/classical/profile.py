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

from glc import threads
from glc.classical._base import Classical, Scorer
from glc.config import EACH_ONCE, Count, Positive, Seed, require, section
from glc.errors import DataError
from glc.neighbours import kernels
from glc.progress import tqdm
from glc.registry import models
from glc.surveys import TEST, SurveyData

_PA, _PO = 0, 1  # sources of kernel votes
_ROWS = 256  # surveys whose profiles are made at once, by each thread
_POWER = 3
"""Iterations of the randomised SVD; twice as many would keep a thousandth more of the variance."""
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
        components, features = self._components(profiles, train)
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
        """The components (mean, axes), and the features (n, k) of the training surveys `train`."""
        from sklearn.utils.extmath import randomized_svd

        o, drawn = self.options, np.ones(len(train), bool)
        if len(train) > o.surveys:
            drawn[:] = False
            drawn[np.random.default_rng(o.seed).choice(len(train), o.surveys, replace=False)] = True
        known = np.empty((np.count_nonzero(drawn), profiles.width), np.float32)
        for rows, block in profiles.each(train[drawn], "profiles for the components"):
            known[rows] = block
        if not len(known) or not np.ptp(known, axis=0).any():
            raise DataError(
                f"model 'profile': the profiles of records around {len(train):,} training surveys are all the same; "
                "expected records in reach of most of them; use larger scales, or the model 'frequency'"
            )
        mean = known.mean(axis=0, dtype=np.float64).astype(np.float32)
        known -= mean  # in place, as `PCA` cannot without losing them: they may take gigabytes
        _, singular, axes = randomized_svd(known, min(o.components, *known.shape), n_iter=_POWER, random_state=o.seed)
        kept = float(np.square(singular, dtype=np.float64).sum())
        components = mean, (axes.T / np.sqrt(kept / (len(known) - 1))).astype(np.float32)
        total = sum(float(np.vdot(row, row)) for row in known)
        self.facts = {"components": len(singular), "variance_kept": kept / total, "surveys": len(known)}
        features = np.empty((len(train), len(singular)))
        features[drawn] = known @ components[1]
        del known
        rest = np.flatnonzero(~drawn)
        projected = profiles.each(train[rest], "profiles of the others", lambda own: _projected(own, components))
        for rows, block in projected:
            features[rest[rows]] = block
        return components, features

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

    def shares(places):
        asked = _projected(profiles.of_places(places), (centre, axes)).astype(np.float64)
        made = np.clip(asked @ coefficients + intercept, 0, 1)
        made[made.max(axis=1) <= 0] = mean
        return sparse.csr_matrix(made.astype(np.float32))

    def score(places: pd.DataFrame, _: np.ndarray | None) -> sparse.csr_matrix:
        blocks = [sparse.csr_matrix((0, len(mean)), dtype=np.float32)]
        parts = [(places.iloc[start : start + _ROWS],) for start in range(0, len(places), _ROWS)]
        made = threads.in_order(shares, parts, threads.cores())
        blocks += tqdm(made, desc="profiles asked for", total=len(parts), unit=f"{_ROWS} surveys", leave=False)
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

    def each(self, rows, name, work=lambda profiles: profiles):
        """What `work` makes of the profiles of some surveys after others, in threads: slices of `rows`, and results."""
        parts = [slice(start, start + _ROWS) for start in range(0, len(rows), _ROWS)]
        made = threads.in_order(lambda part: work(self.of(rows[part])), ((part,) for part in parts), threads.cores())
        bar = tqdm(made, desc=name, total=len(parts), unit=f"{_ROWS} surveys", leave=False)
        yield from zip(parts, bar, strict=True)

    def of(self, rows):
        """Profiles (n, width) of surveys by row number."""
        return self._shares(len(rows), lambda *part: self.votes.at(rows, *part))

    def of_places(self, places):
        """Profiles (n, width) around places from which the validation fold is hidden."""
        return self._shares(len(places), lambda *part: self.votes.around_at(places, True, *part))

    def _shares(self, count, votes):
        shares = np.empty((count, self.width), np.float32)
        for own, part in zip(np.split(shares, len(self.parts), axis=1), self.parts, strict=True):
            records = votes(*part)
            np.divide(records, records.sum(axis=1, keepdims=True) + self.prior, out=own)
            np.sqrt(own, out=own)
        return shares


def _projected(profiles, components):
    mean, axes = components
    return (profiles - mean) @ axes
