"""Ridge regression of the labels on the profile of a survey's surroundings: the share of each species in the records.

Near surveys vote for their own species alone (`glc.classical.votes`); here the whole composition of the surroundings,
in few principal components, speaks for or against every species. The square root of the shares is the Hellinger
transformation of community ecology (Legendre & Gallagher 2001), which keeps the common species from drowning the rest.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

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
from glc.types import MemberOptions

_PA, _PO = 0, 1  # sources of kernel votes
_ROWS = 256  # surveys whose profiles are made at once, by each thread
_POWER = 3
"""Iterations of the randomised SVD; twice as many would keep a thousandth more of the variance."""
_REDUCED = 300
"""Components of the presence-only part of the profiles, which all folds have in common; they keep nearly all that the
components of the whole profiles could take from it."""
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
    spatial block, nobody's any of the validation fold. The components are found without the surveys to be scored; only
    the presence-only part, which holds no label of a survey, is the same for all folds. It is first reduced to 300
    components, or to `components` if these are more, which are found around the training surveys of all folds.
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

    def __init__(self, options: MemberOptions) -> None:
        super().__init__(options)
        self._common: tuple[SurveyData, _Reduced | None] | None = None

    def fit(self, data: SurveyData, fold: int | None, table: np.ndarray | None = None) -> Scorer:
        """`facts` then holds the components used and the share of the profiles' variance that they keep.

        A DataError tells of training surveys whose profiles are all the same, as where nothing was recorded around
        them.
        """
        train = data.train(fold)
        if self._common is None or self._common[0] is not data:
            self._common = data, self._reduced(data)
        profiles = _Profiles(self._common[1], self._surveys(data, fold))
        components, features = self._components(profiles, train)
        coefficients, intercept = self._ridge(features, data.labels_of(train))
        mean = np.asarray(data.labels_of(train).mean(axis=0)).ravel()
        self._fitted = {
            "centre": components.centre,
            "axes": components.axes,
            "coefficients": coefficients,
            "intercept": intercept,
            "mean": mean,
        }
        if profiles.reduced is not None:
            own = profiles.reduced.components
            self._fitted |= {"po_centre": own.centre, "po_axes": own.axes}
        self._fold = fold
        return _scorer(profiles, components, coefficients, intercept, mean)

    def save(self, folder: Path) -> None:
        """Write the components and the regression as ``profile.npz``: to find them again takes half a minute."""
        np.savez(folder / "profile.npz", fold=TEST if self._fold is None else self._fold, **self._fitted)

    def restore(self, folder: Path, data: SurveyData) -> Scorer:
        with np.load(folder / "profile.npz", allow_pickle=False) as arrays:
            fitted = dict(arrays)
        fold, reduced = int(fitted["fold"]), None
        if "po_axes" in fitted:
            reduced = _Reduced(self._records(data), _Components(fitted["po_centre"], fitted["po_axes"]))
        profiles = _Profiles(reduced, self._surveys(data, None if fold == TEST else fold))
        components = _Components(fitted["centre"], fitted["axes"])
        return _scorer(profiles, components, fitted["coefficients"], fitted["intercept"], fitted["mean"])

    def _surveys(self, data: SurveyData, fold: int | None) -> "_Shares | None":
        """Shares in presence-absence surveys."""
        o = self.options
        if o.pa_scales_m:
            return _Shares(data, fold, o.pa_scales_m, _PA, o.prior)
        if o.po_scales_m and len(data.presence_only):
            return None
        raise DataError(
            f"model 'profile': po_scales_m = {list(o.po_scales_m)} and no presence-only surveys besides the training "
            f"surveys ({data.train_name}); expected some; give pa_scales_m"
        )

    def _records(self, data: SurveyData) -> "_Shares":
        """Shares in presence-only records."""
        return _Shares(data, None, self.options.po_scales_m, _PO, self.options.prior)

    def _reduced(self, data: SurveyData) -> "_Reduced | None":
        """The presence-only part around the training surveys of all folds; None where there is none."""
        o = self.options
        train = data.train()
        # what is trained on may be the presence-only records
        if not o.po_scales_m or not len(data.presence_only) or not len(train):
            return None
        made = _Profiles(None, self._records(data))
        drawn = self._drawn(train)
        known = made.all(train[drawn], "presence-only profiles for their components")
        components, _ = _Components.of_profiles(known, max(_REDUCED, o.components), o.seed)
        features = np.empty((len(train), components.axes.shape[1]), np.float32)
        features[drawn] = known @ components.axes
        del known
        made.project(train, ~drawn, components, features, "presence-only profiles of the others")
        return _Reduced(made.shares, components, train, features)

    def _components(self, profiles: "_Profiles", train: np.ndarray) -> tuple["_Components", np.ndarray]:
        """The components, and the features (n, k) of the training surveys `train`."""
        o, drawn = self.options, self._drawn(train)
        known = profiles.all(train[drawn], "profiles for the components")
        if not len(known) or not np.ptp(known, axis=0).any():
            raise DataError(
                f"model 'profile': the profiles of records around {len(train):,} training surveys are all the same; "
                "expected records in reach of most of them; use larger scales, or the model 'frequency'"
            )
        unscaled, singular = _Components.of_profiles(known, o.components, o.seed)
        kept = float(np.square(singular, dtype=np.float64).sum())
        lost = unscaled.lost + (profiles.reduced.components.lost if profiles.reduced is not None else 0.0)
        components = _Components(unscaled.centre, unscaled.axes / np.float32(np.sqrt(kept / (len(known) - 1))))
        self.facts = {
            "components": len(singular),
            "variance_kept": kept / (kept + lost * len(known)),
            "surveys": len(known),
        }
        features = np.empty((len(train), len(singular)))
        features[drawn] = known @ components.axes
        del known
        profiles.project(train, ~drawn, components, features, "profiles of the others")
        return components, features

    def _drawn(self, train: np.ndarray) -> np.ndarray:
        """Whether components are found from each of the surveys `train`, (n,) bool."""
        o, drawn = self.options, np.ones(len(train), bool)
        if len(train) > o.surveys:
            drawn[:] = False
            drawn[np.random.default_rng(o.seed).choice(len(train), o.surveys, replace=False)] = True
        return drawn

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


def _scorer(profiles, components, coefficients, intercept, mean) -> Scorer:
    """Scores of places: their profiles in components, and the regression of those; `mean` where it gives nothing."""

    def shares(places):
        asked = components.of(profiles.around(places)).astype(np.float64)
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


@dataclass(frozen=True)
class _Components:
    """Principal components of profiles (n, width).

    centre : (width,) float32; axes : (width, k) float32; lost : variance that they do not keep, summed over columns
    """

    centre: np.ndarray
    axes: np.ndarray
    lost: float = 0.0

    @classmethod
    def of_profiles(cls, known: np.ndarray, count: int, seed: int) -> tuple["_Components", np.ndarray]:
        """At most `count` components of the profiles `known` (n, width), and their singular values (k,).

        `known` is centred in place, as scikit-learn's PCA cannot without losing it: it may take gigabytes.
        """
        from sklearn.utils.extmath import randomized_svd

        mean, same = known.mean(axis=0, dtype=np.float64).astype(np.float32), np.ptp(known, axis=0) == 0
        known -= mean
        known[:, same] = 0  # rounding is no component
        _, singular, axes = randomized_svd(known, min(count, *known.shape), n_iter=_POWER, random_state=seed)
        total = sum(float(np.vdot(row, row)) for row in known)
        lost = max(total - float(np.square(singular, dtype=np.float64).sum()), 0.0) / len(known)
        return cls(mean, np.ascontiguousarray(axes.T, np.float32), lost), singular

    @cached_property
    def _double(self) -> np.ndarray:
        return self.axes.astype(np.float64)

    def of(self, profiles: np.ndarray) -> np.ndarray:
        """Profiles in these components, (n, k) float32.

        Products of BLAS depend on how many rows they have and on where a row is among them. In float64 the difference
        is lost when they are rounded, so that a place gets the same score whichever others it is asked with.
        """
        return ((profiles - self.centre).astype(np.float64) @ self._double).astype(np.float32)


class _Shares:
    """Roots of the shares of species in one source of records, scales side by side: (n, width) float32."""

    def __init__(
        self, data: SurveyData, fold: int | None, scales_m: tuple[float, ...], source: int, prior: float
    ) -> None:
        chosen = kernels.Options(scales_m=scales_m, po=source == _PO, training="block")
        self._votes, self._source = kernels.Kernels(data, fold, options=chosen), source
        self._prior = np.float32(prior)
        self.width = len(scales_m) * self._votes.shape[1]

    def at(self, rows: np.ndarray) -> np.ndarray:
        """Those of surveys by row number."""
        return self._roots(len(rows), lambda number: self._votes.at(rows, number, self._source))

    def around(self, places: pd.DataFrame) -> np.ndarray:
        """Those around places from which the validation fold is hidden."""
        return self._roots(len(places), lambda number: self._votes.around_at(places, True, number, self._source))

    def _roots(self, count: int, votes: Callable[[int], np.ndarray]) -> np.ndarray:
        roots, scales = np.empty((count, self.width), np.float32), len(self._votes.scales)
        for number, own in enumerate(np.split(roots, scales, axis=1), start=1):
            records = votes(number)
            np.divide(records, records.sum(axis=1, keepdims=True) + self._prior, out=own)
            np.sqrt(own, out=own)
        return roots


class _Reduced:
    """The presence-only part of profiles in its components: (n, k) float32.

    shares : of presence-only records
    rows, features : surveys whose components are known, and these
    """

    def __init__(
        self,
        shares: _Shares,
        components: _Components,
        rows: np.ndarray | None = None,
        features: np.ndarray | None = None,
    ) -> None:
        self._shares, self.components, self._rows, self._features = shares, components, rows, features

    def at(self, rows: np.ndarray) -> np.ndarray:
        """Those of training surveys by row number."""
        return self._features[np.searchsorted(self._rows, rows)]

    def around(self, places: pd.DataFrame) -> np.ndarray:
        """Those around places."""
        return self.components.of(self._shares.around(places))


class _Profiles:
    """Profiles (n, width) float32: the reduced presence-only part and the shares of a source, side by side."""

    def __init__(self, reduced: _Reduced | None, shares: _Shares | None) -> None:
        self.reduced, self.shares = reduced, shares
        self._parts = [part for part in (reduced, shares) if part is not None]

    def at(self, rows: np.ndarray) -> np.ndarray:
        """Those of training surveys by row number."""
        return np.concatenate([part.at(rows) for part in self._parts], axis=1)

    def around(self, places: pd.DataFrame) -> np.ndarray:
        """Those around places from which the validation fold is hidden."""
        return np.concatenate([part.around(places) for part in self._parts], axis=1)

    def all(self, rows: np.ndarray, name: str) -> np.ndarray:
        """Those of training surveys, in threads."""
        profiles = np.empty((len(rows), self.at(rows[:0]).shape[1]), np.float32)
        for part, block in self._each(rows, name, self.at):
            profiles[part] = block
        return profiles

    def project(
        self, rows: np.ndarray, chosen: np.ndarray, components: _Components, out: np.ndarray, name: str
    ) -> None:
        """Put components of the profiles of the `chosen` (n,) of the surveys `rows` into `out` (n, k), in threads."""
        places = np.flatnonzero(chosen)
        for part, block in self._each(rows[places], name, lambda some: components.of(self.at(some))):
            out[places[part]] = block

    def _each(self, rows: np.ndarray, name: str, work: Callable[[np.ndarray], Any]) -> Iterator[tuple[slice, Any]]:
        """What `work` makes of some surveys after others: slices of `rows`, and results."""
        parts = [slice(start, start + _ROWS) for start in range(0, len(rows), _ROWS)]
        made = threads.in_order(lambda part: work(rows[part]), ((part,) for part in parts), threads.cores())
        bar = tqdm(made, desc=name, total=len(parts), unit=f"{_ROWS} surveys", leave=False)
        yield from zip(parts, bar, strict=True)
