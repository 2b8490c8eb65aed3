"""Boosted trees upon a stack: they correct its log-odds by how much evidence there is around a survey, and which.

A stack's weights (`glc.ensembles.stack`) are the same everywhere. Here gradient-boosted trees (Chen and Guestrin 2016)
start from its log-odds for the best species of each survey and learn what it leaves over, from the members' log-odds,
the species' frequencies, and the records around the survey (`glc.ensembles.evidence`). All other species keep the
stack's own probability.

The trees for the surveys of a fold are grown on the other folds alone, from records without those of that fold.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import expit

from glc import threads
from glc.ensembles import evidence
from glc.progress import tqdm
from glc.surveys import TEST


@dataclass(frozen=True)
class Candidates:
    """The best C species of each of n surveys.

    columns : (n, C) of the species; scores : (n, C, K) float32 of the members, 0 where a member has none;
    fold : (n,) of the surveys, -1 for the test; records : `evidence.Records`
    effort : (n, E) float32 of `efforts`; held : (n, C) bool, or None
    """

    columns: np.ndarray
    scores: np.ndarray
    fold: np.ndarray
    records: evidence.Records
    effort: np.ndarray
    held: np.ndarray | None = None

    def rows(self, at):
        """The candidates of the surveys `at`."""
        records = evidence.Records(self.records.known[at], self.records.total[at])
        held = None if self.held is None else self.held[at]
        return Candidates(self.columns[at], self.scores[at], self.fold[at], records, self.effort[at], held)

    @staticmethod
    def join(parts):
        """One Candidates of several, all with labels."""
        parts = list(parts)
        columns, scores, fold, effort, held = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("columns", "scores", "fold", "effort", "held")
        )
        return Candidates(columns, scores, fold, evidence.Records.join(part.records for part in parts), effort, held)


def efforts(places: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """How surveys were made, (n, E) float32: `columns` of `places`, sizes as logarithms, NaN where not known."""
    values = [places[name].to_numpy(np.float64, na_value=np.nan) if name in places else np.nan for name in columns]
    table = np.empty((len(places), len(columns)), np.float32)
    for number, (name, value) in enumerate(zip(columns, values, strict=True)):
        table[:, number] = value if name == "year" else np.log1p(np.maximum(value, 0))
    return table


def candidates(matrices, total, fold, places, surroundings, options, actual=None):
    """`Candidates` of surveys: the species with the highest `total` (n, m); labels have no say in it.

    matrices : the members' scores (n, m) CSR; fold : (n,); places : frame (n) of `SurveyData.places`;
    options : `FitOptions`; actual : (n, m) boolean CSR, where the labels are to be learned from
    """
    size = min(options.candidates, total.shape[1])
    columns = np.sort(np.argpartition(-total, size - 1, axis=1)[:, :size], axis=1)
    scores = np.stack([np.take_along_axis(matrix.toarray(), columns, axis=1) for matrix in matrices], axis=2)
    held = None if actual is None else np.take_along_axis(actual.toarray(), columns, axis=1)
    records, effort = surroundings.around(places, columns), efforts(places, options.effort)
    return Candidates(columns, scores.astype(np.float32), fold, records, effort, held)


def features(cases, weights, counts, po_counts, without=()):
    """What the trees see of `Candidates`: features (n C, d) float32 and the stack's log-odds (n C,).

    weights : `weights.Weights`; counts : `weights.Counts`; po_counts : (m,) presence-only records of each species
    without : folds whose labels are not looked at; neither are those of a survey's own fold
    """
    n, size = cases.columns.shape
    members = np.stack([curve(cases.scores[..., k]) for k, curve in enumerate(weights.curves)], axis=2)
    terms, shares = np.empty((n, size), np.float32), np.empty((n, size), np.float32)
    seen = np.ones((n, len(counts.surveys)), bool)
    for fold in np.unique(cases.fold):
        at = cases.fold == fold
        hidden = [*without, *([fold] if fold != TEST else [])]
        seen[np.ix_(at, hidden)] = False
        terms[at] = counts.terms(*hidden)[cases.columns[at]]
        known = np.delete(counts.species, hidden, axis=0).sum(axis=0) + 0.5
        shares[at] = (known / known.sum())[cases.columns[at]]
    margin = weights.intercept + weights.frequency * terms + members @ weights.members.astype(np.float32)
    centred = members - members.mean(axis=1, keepdims=True)
    # trees tell a missing score from a low one
    members = np.where(cases.scores > 0, members, np.nan)
    po_shares = ((po_counts + 0.5) / (po_counts + 0.5).sum()).astype(np.float32)[cases.columns]
    known, total = cases.records.pooled(seen)
    scales = total.shape[1] // 2
    share = np.concatenate([np.repeat(values[..., None], scales, axis=2) for values in (shares, po_shares)], axis=2)
    expected = total[:, None] * share
    place = np.argsort(np.argsort(-margin, axis=1, kind="stable"), axis=1, kind="stable")
    parts = [
        *(members, centred),
        np.stack([margin, terms, np.log(po_shares), terms - np.log(po_shares), place], axis=2),
        np.broadcast_to(np.log1p(total)[:, None], known.shape),
        *(known, np.log((known + 1) / (expected + 1))),
        np.broadcast_to(cases.effort[:, None], (n, size, cases.effort.shape[1])),
    ]
    table = np.concatenate([part.astype(np.float32) for part in parts], axis=2)
    return table.reshape(n * size, -1), margin.astype(np.float32).ravel()


def fit(cases, weights, counts, po_counts, options, without=(), cores=1):
    """An xgboost Booster, from the `Candidates` of all folds but `without`, grown by `cores` threads."""
    import xgboost

    class Bar(xgboost.callback.TrainingCallback):
        def after_iteration(self, model, epoch, evals_log):
            bar.update()
            return False

    rows = np.flatnonzero(~np.isin(cases.fold, without))
    table, margin = _features_of(cases, rows, weights, counts, po_counts, without)
    settings = {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "max_depth": options.depth,
        "eta": options.learning_rate,
        "min_child_weight": options.least,
        "subsample": 0.7,
        "colsample_bytree": 0.5,
        "max_bin": _BINS,
        "seed": options.seed,
        "nthread": cores,
    }
    held = cases.held[rows].ravel()
    matrix = xgboost.QuantileDMatrix(table, held, base_margin=margin, max_bin=_BINS, nthread=cores)
    del table
    with tqdm(total=options.trees, desc="boosted stack", leave=False) as bar:
        return xgboost.train(settings, matrix, options.trees, callbacks=[Bar()])


def _features_of(cases, rows, weights, counts, po_counts, without):
    """`features` of some `rows` of the `cases`, made for a few at a time: all that they are made of would not fit."""
    table, margin = None, np.empty(len(rows) * cases.columns.shape[1], np.float32)
    for start in range(0, len(rows), _ROWS):
        own, own_margin = features(cases.rows(rows[start : start + _ROWS]), weights, counts, po_counts, without)
        if table is None:
            table = np.empty((len(margin), own.shape[1]), np.float32)
        first = start * cases.columns.shape[1]
        table[first : first + len(own)], margin[first : first + len(own)] = own, own_margin
    return table, margin


_ROWS = 512
"""Surveys whose features are made at once."""
_BINS = 64
"""Of each feature's histogram."""
_FOLDS = 4
"""Whose trees are grown at once, at most: each holds its table, of a gigabyte at GeoLifeCLEF 2024's size."""


def apply(booster, cases, weights, counts, po_counts, probabilities):
    """The stack's `probabilities` (n, m), those of the candidates replaced by the trees', in place."""
    table, margin = features(cases, weights, counts, po_counts)
    more = booster.inplace_predict(table, predict_type="margin", base_margin=margin)
    np.put_along_axis(probabilities, cases.columns, expit(more).reshape(cases.columns.shape), axis=1)
    return probabilities


class Trees:
    """The boosted trees of every fold, and what they are grown from."""

    def __init__(self, data, counts, options):
        self.counts, self.options = counts, options
        self.po_counts = np.asarray(data.labels_of(data.presence_only).sum(axis=0, dtype=np.int64)).ravel()
        self.surroundings = evidence.Surroundings(data, options.scales_m)
        self.boosters = {}
        # NaN of what some training survey lacks: of such surveys the trees have learned what is not known says
        self.usual = np.median(efforts(data.places.iloc[data.train()], options.effort), axis=0)

    def candidates(self, matrices, total, fold, places, actual=None):
        """See the function `candidates`; a place without an effort that all training surveys have has their median."""
        cases = candidates(matrices, total, fold, places, self.surroundings, self.options, actual)
        effort = np.where(np.isnan(cases.effort), self.usual, cases.effort).astype(np.float32)
        return replace(cases, effort=effort)

    def fit(self, cases, fitted, progress):
        """Grow the trees of each fold in `fitted` (fold -> Weights), from the `cases` of the others.

        Some folds at a time, because much of what comes before the trees is the work of one core.
        """
        threads_at_once = min(threads.cores(), len(fitted), _FOLDS)

        def grow(fold, weights):
            without = () if fold == TEST else (fold,)
            cores = threads.cores() // threads_at_once
            return fit(cases, weights, self.counts, self.po_counts, self.options, without, cores)

        grown = threads.in_order(grow, fitted.items(), threads_at_once)
        for done, fold in enumerate(fitted):
            name = "the test" if fold == TEST else f"fold {fold}"
            progress(f"stack: trees for {name}", 50 + 30 * done // len(fitted))
            self.boosters[fold] = next(grown)

    def save(self, fold, path):
        """Write the trees of `fold` to the file `path`."""
        self.boosters[fold].save_model(path)

    def restore(self, fold, path):
        """Take the trees of `fold` from the file `path`."""
        import xgboost

        self.boosters[fold] = xgboost.Booster(model_file=path)

    def correct(self, chances, cases, weights):
        """Replace, in place, the `chances` (n, m) of the candidates `cases`, all of one fold."""
        booster = self.boosters[int(cases.fold[0])]
        apply(booster, cases, weights, self.counts, self.po_counts, chances)
