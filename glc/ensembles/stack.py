"""Stacking: one score table of several models', by a logistic regression that is fitted on validation surveys only.

Each member's scores are calibrated to presence rates (a rising curve on log-log axes), and the stacked probability is

    logit p = intercept + sum_k weight_k logit rate_k + slope logit frequency,    weight_k >= 0,

with the frequency of the species in the training surveys (Wolpert 1992, with the non-negative weights of Breiman 1996).

A score that a member did not keep, or zero, has a rate of its own: that of all pairs the member did not score.

With ``fit = "boosted"`` trees correct these log-odds for the best species of each survey (`glc.ensembles.boosted`).

Curves, weights and frequencies for the surveys of a fold come from the other folds alone; those for the test from all.
What stays, as in all stacking: the members that scored the other folds were trained on surveys of this one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from annotated_types import Ge
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import expit, logit

from glc import config, labels, storage
from glc import scores as score_tables
from glc.config import EACH_ONCE, SOME, Count, NotNegative, Positive, Rate, Seed, section
from glc.ensembles import boosted, calibration
from glc.ensembles._base import MODEL, Ensemble, Joiner, Members
from glc.errors import ConfigError, DataError
from glc.registry import models
from glc.surveys import TEST, SurveyData
from glc.types import Facts, Say


@section
class FitOptions:
    """Of the fit."""

    surveys: Count = 10_000
    """Validation surveys that are learned from, at most, drawn evenly."""
    best: Count = 100
    """Of each survey, the pairs with its present species and with its `best` highest mean scores are all learned
    from."""
    sampled: Count = 50
    """Pairs drawn among all others of a survey, weighted up to represent them."""
    bins: Annotated[int, Ge(3)] = 60
    """Bins of a member's calibration curve, equal in log score."""
    penalty: NotNegative = 0.001
    """Penalty of the squared distance of the weights from equal shares, added to the mean loss of an occurrence."""
    frequency: bool = True
    """Whether the species' frequency is a term."""
    seed: Seed = 0
    """Seed of the draws."""
    fit: Literal["weights", "boosted"] = "weights"
    """weights; or boosted: trees on top of them, with the options below."""
    candidates: Count = 200
    """Species per survey that the trees see, those with the highest mean scores."""
    scales_m: Annotated[tuple[Positive, ...], SOME] = (3_000, 6_000, 12_000, 24_000, 48_000)
    """Gaussian scales of the records around a survey that the trees see, metres."""
    trees: Count = 100
    """Trees of the boosting."""
    depth: Count = 4
    """Maximum depth of the trees."""
    learning_rate: Rate = 0.1
    """Share of each tree's step that is taken."""
    least: NotNegative = 20.0
    """Minimum weight of a leaf (sum of the Hessian)."""


@models.register("stack")
class Stack(Ensemble):
    """Several experiments' scores in one, weighted on their validation surveys.

    The members run on the folds of the stack, not on the number of folds that they run alone.
    """

    @section
    class Options(FitOptions):
        members: Annotated[tuple[str, ...], SOME, EACH_ONCE] = field(kw_only=True)
        """Names of experiments, with changes where wanted (``votes+model.prior=500``)."""

    def write(self, members: Members, out: Path) -> None:
        write(
            members.scores,
            members.data,
            out,
            options=self.options,
            names=members.names,
            folds=members.folds,
            keep=members.keep,
            progress=members.progress,
        )

    def restore(self, scores: Path, data: SurveyData, keep: int, fold: int = TEST) -> Joiner:
        return restore(scores / MODEL, data, self.options, keep, fold)


def check_member(
    name: str,
    member: config.Experiment,
    surveys: config.Surveys,
    validation: config.Validation,
    joins_cross_fused: bool = False,
) -> None:
    """Refuse the experiment `member`, called `name`, in a stack over other surveys or folds than its own.

    surveys, validation : sections of the stack. Both must be equal, except how many folds are run and, for a member
        that is no net, which fold stops a training.
    joins_cross_fused : whether a net with cross-fusion may be a member where the stack runs one fold
    """
    if models.get(member.model.name).ensemble:
        raise ConfigError(f"model.members: {name!r} is a {member.model.name} itself; name its members instead")
    if member.cross_fusion.use and not (joins_cross_fused and validation.run == 1):
        more = ", or run one fold alone: validation.run = 1" if joins_cross_fused else ""
        raise ConfigError(
            f"model.members: {name!r} has cross_fusion.use, whose scores are honest on the first fold alone; write "
            f"{name}+cross_fusion.use=false{more}"
        )
    for table, wanted, actual in (
        ("surveys", surveys, member.surveys),
        ("validation", validation, member.validation),
    ):
        own, theirs = config.to_dict(wanted), config.to_dict(actual)
        free = {"run"} if models.get(member.model.name).kind == "net" else {"run", "stop"}
        for key in own:
            if key not in free and own[key] != theirs[key]:
                more = f"+validation.run={validation.run}" if key == "count" else ""
                raise ConfigError(
                    f"model.members: {name!r} has {table}.{key} = {theirs[key]!r}, expected this experiment's own "
                    f"{own[key]!r}; write {name}+{table}.{key}={own[key]}{more}, or change this one's"
                )


@dataclass(frozen=True)
class Pairs:
    """Pairs (survey, species) to learn from, p of them.

    scores : (p, K) float32 of the members, 0 where a member has none; column : (p,) of the species; fold : (p,) of the
    survey; weight : (p,) pairs that each stands for; held : (p,) bool, whether the survey holds the species
    """

    scores: np.ndarray
    column: np.ndarray
    fold: np.ndarray
    weight: np.ndarray
    held: np.ndarray

    def where(self, mask):
        """The pairs of `mask`."""
        return Pairs(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))

    @staticmethod
    def join(parts):
        """One Pairs of several."""
        parts = list(parts)
        return Pairs(*(np.concatenate([getattr(part, name) for part in parts]) for name in Pairs.__dataclass_fields__))


@dataclass(frozen=True)
class Counts:
    """Surveys and occurrences of each training fold: `surveys` (folds,), `species` (folds, m)."""

    surveys: np.ndarray
    species: np.ndarray

    def terms(self, *without):
        """Logit (m,) of the species' frequency in all folds but those `without`, one survey with half of it added."""
        seen = np.setdiff1d(np.arange(len(self.surveys)), without)
        return logit((self.species[seen].sum(axis=0) + 0.5) / (self.surveys[seen].sum() + 1))


@dataclass(frozen=True)
class Weights:
    """A fitted stack: a `curves.Curve` and a weight for each member, the slope of the frequency, the intercept."""

    curves: tuple[calibration.Curve, ...]
    members: np.ndarray
    frequency: float
    intercept: float


def sample(matrices, actual, fold, options, rng):
    """Pairs of the surveys of one fold: `matrices`, the members' scores (n, m) CSR; `actual` (n, m) boolean CSR."""
    n, m = actual.shape
    total = total_share(matrices)
    held = actual.toarray()
    best = min(options.best, m)
    chosen = held.copy()
    np.put_along_axis(chosen, np.argpartition(-total, best - 1, axis=1)[:, :best], True, axis=1)
    # columns are drawn whatever the labels are, and count only where they hit one of the others: each of these then
    # stands for m / sampled pairs on average
    drawn = np.sort(rng.integers(m, size=(n, options.sampled)), axis=1)
    row = np.repeat(np.arange(n), options.sampled)
    other = ~chosen[row, drawn.ravel()]
    rows = np.concatenate([np.nonzero(chosen)[0], row[other]])
    columns = np.concatenate([np.nonzero(chosen)[1], drawn.ravel()[other]])
    weight = np.where(np.arange(len(rows)) < chosen.sum(), 1.0, m / options.sampled)
    values = np.stack([np.asarray(matrix[rows, columns]).ravel() for matrix in matrices], axis=1).astype(np.float32)
    return Pairs(values, columns, np.full(len(rows), fold), weight, held[rows, columns])


def fit_weights(pairs, counts, options, without=()):
    """Weights from the `pairs` of all folds but `without`, and from `counts` of all but those and the pair's own."""
    pairs = pairs.where(~np.isin(pairs.fold, without))
    if not pairs.held.any():
        raise DataError(f"stack: no occurrence in the {len(pairs.held)} validation pairs; run more folds")
    fitted = tuple(calibration.fit(scores, pairs.held, pairs.weight, options.bins) for scores in pairs.scores.T)
    features = [curve(scores) for curve, scores in zip(fitted, pairs.scores.T, strict=True)]
    if options.frequency:
        term = np.empty(len(pairs.fold), np.float32)
        for fold in np.unique(pairs.fold):
            at = pairs.fold == fold
            term[at] = counts.terms(*without, fold)[pairs.column[at]]
        features.append(term)
    k = len(fitted)
    start = np.zeros(len(features) + 1)
    start[:k] = 1 / k
    bounds = [(0, None)] * k + [(None, None)] * (len(start) - k)
    x = np.column_stack([*features, np.ones(len(pairs.fold))])
    # the loss an occurrence: a penalty means the same however few of the pairs are held
    weight = pairs.weight / pairs.weight[pairs.held].sum()

    def loss(beta):
        z = x @ beta
        gap = beta[:k] - 1 / k
        value = weight @ (np.logaddexp(0, z) - pairs.held * z) + options.penalty * gap @ gap
        slope = x.T @ (weight * (expit(z) - pairs.held))
        slope[:k] += 2 * options.penalty * gap
        return value, slope

    optimum = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500})
    return Weights(fitted, optimum.x[:k], float(optimum.x[k]) if options.frequency else 0.0, float(optimum.x[-1]))


def apply(weights, matrices, frequency):
    """Stacked probabilities (n, m) float32, dense.

    matrices : the members' scores (n, m) CSR; frequency : (m,), see `Counts.terms`
    """
    n = matrices[0].shape[0]
    z = np.tile((weights.intercept + weights.frequency * frequency).astype(np.float32), (n, 1))
    for curve, weight, matrix in zip(weights.curves, weights.members, matrices, strict=True):
        if weight > 0:
            matrix = matrix.tocsr()
            row = np.repeat(np.arange(n), np.diff(matrix.indptr))
            z += np.float32(weight * curve.missing)
            z[row, matrix.indices] += np.float32(weight) * (curve(matrix.data) - np.float32(curve.missing))
    return expit(z)


def total_share(matrices):
    """Sum (n, m) of the members' scores, each survey's divided by their sum."""
    return sum((_shares(matrix) for matrix in matrices[1:]), _shares(matrices[0])).toarray()


def _shares(matrix):
    """Rows of a CSR matrix divided by their sums."""
    total = np.asarray(matrix.sum(axis=1)).ravel()
    return sparse.diags((1 / np.where(total > 0, total, 1)).astype(np.float32)) @ matrix


def write(
    folders: Sequence[Path],
    data: SurveyData,
    out: Path,
    *,
    options: FitOptions,
    names: Sequence[str],
    folds: Sequence[int],
    keep: int,
    progress: Say = print,
) -> Facts:
    """Write the stacked ``valid`` and ``test`` scores of members under `out`.

    folders : the members' outputs, each with ``valid`` of `folds` and ``test``; names : what the members are called
    data : `glc.surveys.SurveyData`; keep : highest scores kept for each survey
    The manifest carries, under ``model_facts``, the weights for each fold and for the ``test``.

    Only `ROWS` surveys of each member are in memory at once, and the pairs that are learned from.
    """
    folds = list(folds)
    counts = count(data)
    every = sum(counts.surveys[fold] for fold in folds)
    share = min(1.0, options.surveys / max(every, 1))
    pairs, per_block = [], []
    trees = boosted.Trees(data, counts, options) if options.fit == "boosted" else None
    for number, (surveys, fold, matrices) in enumerate(_blocks([folder / "valid" for folder in folders], data)):
        progress(f"stack: drawing pairs of {len(surveys)} surveys", 30 * number * ROWS // max(every, 1))
        rng = np.random.default_rng([options.seed, number])
        chosen = np.flatnonzero(rng.random(len(surveys)) < share) if share < 1 else np.arange(len(surveys))
        rows = data.rows_of(surveys[chosen], data.train_name)
        actual = data.labels_of(rows)
        for fold_number in np.unique(fold[chosen]):
            at = fold[chosen] == fold_number
            pairs.append(sample([m[chosen[at]] for m in matrices], actual[at], fold_number, options, rng))
        if trees:
            own = [m[chosen] for m in matrices]
            per_block.append(trees.candidates(own, total_share(own), fold[chosen], data.places.iloc[rows], actual))
    pairs = Pairs.join(pairs)
    fitted, facts = {}, {}
    for done, fold in enumerate([*folds, TEST]):
        progress(f"stack: weights for {'the test' if fold == TEST else f'fold {fold}'}", 30 + 20 * done // len(folds))
        fitted[fold] = fit_weights(pairs, counts, options, () if fold == TEST else (fold,))
        facts["test" if fold == TEST else str(fold)] = _weight_facts(fitted[fold], names)
    if trees:
        trees.fit(boosted.Candidates.join(per_block), fitted, progress)
        del per_block
    for fold, weights in fitted.items():
        save(fold, weights, trees, out / MODEL)
    written = {}
    for split in ("valid", "test"):
        parts, done = [], 0
        for surveys, fold, matrices in _blocks([folder / split for folder in folders], data):
            progress(f"stack: scoring the {split} surveys", 80)
            # tests may share ids, and are in the order of the data
            in_test, done = data.test[done : done + len(surveys)], done + len(surveys)
            for fold_number in np.unique(fold):
                at = np.flatnonzero(fold == fold_number)
                term = counts.terms(*(() if fold_number == TEST else (fold_number,)))
                own = [matrix[at] for matrix in matrices]
                chances = apply(fitted[int(fold_number)], own, term)
                if trees:
                    rows = in_test[at] if fold_number == TEST else data.rows_of(surveys[at], data.train_name)
                    candidates = trees.candidates(own, total_share(own), fold[at], data.places.iloc[rows])
                    trees.correct(chances, candidates, fitted[int(fold_number)])
                kept = score_tables.keep_best(chances, keep)
                parts.append(score_tables.Scores(surveys[at], fold[at], data.species, kept))
        written[f"{split}_rows"] = score_tables.write(score_tables.stack(parts), out / split)
    storage.note(out, **written, pairs=len(pairs.held), model_facts=facts)
    return facts


def count(data: SurveyData) -> Counts:
    """The `Counts` of all training folds of a dataset."""
    per_fold = [data.labels_of(data.valid(fold)) for fold in range(int(data.places["fold"].max()) + 1)]
    return Counts(
        np.array([matrix.shape[0] for matrix in per_fold]),
        np.stack([np.asarray(matrix.sum(axis=0, dtype=np.int64)).ravel() for matrix in per_fold]),
    )


_WEIGHTS, _TREES = "stack.npz", "trees.json"


def save(fold: int, weights: Weights, trees: boosted.Trees | None, folder: Path) -> None:
    """Write what joins the members' scores of the surveys of `fold`: `restore` reads it."""
    own = folder / str(fold)
    own.mkdir(parents=True)
    arrays = {"members": weights.members, "frequency": weights.frequency, "intercept": weights.intercept}
    for number, curve in enumerate(weights.curves):
        arrays |= {f"x{number}": curve.x, f"y{number}": curve.y, f"missing{number}": curve.missing}
    np.savez(own / _WEIGHTS, **arrays)
    if trees:
        trees.save(fold, own / _TREES)


def restore(folder: Path, data: SurveyData, options: FitOptions, keep: int, fold: int = TEST) -> Joiner:
    """The stack for surveys of `fold`, for the members' scores of any places."""
    folder = folder / str(fold)
    with np.load(folder / _WEIGHTS, allow_pickle=False) as arrays:
        curves = tuple(
            calibration.Curve(arrays[f"x{number}"], arrays[f"y{number}"], float(arrays[f"missing{number}"]))
            for number in range(len(arrays["members"]))
        )
        weights = Weights(curves, arrays["members"], float(arrays["frequency"]), float(arrays["intercept"]))
    counts = count(data)
    trees = boosted.Trees(data, counts, options) if options.fit == "boosted" else None
    if trees:
        trees.restore(fold, folder / _TREES)
    term = counts.terms(*(() if fold == TEST else (fold,)))

    def join(matrices: Sequence[sparse.csr_matrix], places: pd.DataFrame) -> sparse.csr_matrix:
        parts = [sparse.csr_matrix((0, len(data.species)), dtype=np.float32)]
        for start in range(0, len(places), ROWS):
            rows = slice(start, start + ROWS)
            own = [matrix[rows] for matrix in matrices]
            chances = apply(weights, own, term)
            if trees:
                cases = trees.candidates(own, total_share(own), np.full(len(chances), fold), places.iloc[rows])
                trees.correct(chances, cases, weights)
            parts.append(score_tables.keep_best(chances, keep))
        return sparse.vstack(parts, format="csr")

    return join


ROWS = 512
"""Surveys that are worked on at once."""


def _blocks(folders, data):
    """Blocks of the members' score tables, in step: (survey ids, folds, [CSR over the dataset's species])."""
    tables = [_read_blocks(folder, data.species) for folder in folders]
    for parts in zip(*tables, strict=True):
        surveys, fold, _ = parts[0]
        for folder, (other, other_fold, _) in zip(folders, parts, strict=True):
            if not (np.array_equal(surveys, other) and np.array_equal(fold, other_fold)):
                raise DataError(f"{folder}: surveys or folds differ from {folders[0]}; score all members with one data")
        yield surveys, fold, [matrix for _, _, matrix in parts]


def _read_blocks(folder, species):
    own = np.load(folder / "species.npy")
    for batch in pq.ParquetFile(folder / "part-0.parquet").iter_batches(batch_size=ROWS):
        lists, values = batch["species"], batch["score"]
        indptr = np.concatenate([[0], np.cumsum(lists.value_lengths().to_numpy())])
        columns = np.searchsorted(own, lists.flatten().to_numpy())
        matrix = sparse.csr_matrix(
            (values.flatten().to_numpy(), columns, indptr), (batch.num_rows, len(own)), copy=True
        )
        matrix.sort_indices()
        yield batch["surveyId"].to_numpy(), batch["fold"].to_numpy(), labels.widen(matrix, own, species)


def _weight_facts(weights, names):
    members = {name: round(float(weight), 4) for name, weight in zip(names, weights.members, strict=True)}
    return {"members": members, "frequency": round(weights.frequency, 4), "intercept": round(weights.intercept, 4)}
