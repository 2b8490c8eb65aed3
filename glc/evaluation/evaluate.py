"""Measures of an experiment's predictions, on validation always and on the test where its truth exists."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from glc import schema, storage
from glc.editions import Dataset
from glc.errors import DataError
from glc.evaluation import metrics, own_truth, per_species
from glc.evaluation.areas import Areas, Keys
from glc.evaluation.strata import spatial_blocks
from glc.neighbours import exact
from glc.prediction import sets
from glc.prediction.blocks import Block, Held, Table
from glc.surveys import SurveyData
from glc.types import Facts, StrPath

RECALLS = (25, 100)
"""Best scores of a survey among which its species are looked for."""


def write(
    predictions_folder: Path,
    scores_folder: Path,
    data: SurveyData,
    out: Path,
    truth: pd.DataFrame | None = None,
    resamples: int = 2_000,
    unscored: Sequence[str] = (),
    scheme: str = "block",
    stop: str = "next",
    names: pd.DataFrame | None = None,
) -> Facts:
    """Write ``metrics.json`` and the tables ``surveys.parquet`` and ``species.csv`` into `out`; return the metrics.

    truth : frame (dataset, surveyId, speciesId) of the tests' labels, or None; a held-out test has its own
    resamples : of the bootstrap over spatial blocks that gives the interval of the sample-averaged F1
    unscored : ids of test surveys that could not be read; they are no part of the test's metrics
    scheme : how surveys were dealt to folds (`config.Validation`), for the key ``scheme``: scores of ``valid`` by
        another than ``block`` are optimistic for new places
    stop : which fold stopped the training (`config.Validation`), for the key ``stop``: own makes scores of ``valid``
        optimistic
    names : frame of speciesId and name, for the table of species (`per_species.of_folds`); None: without names

    The metrics are of the `splits`: ``valid``, ``test`` where its labels are known (of a dataset with several tests
    ``test_ood`` and so on, those with labels), and ``optimistic`` where nets were
    cloned: what the paper of cross-fusion reports, by nets that have seen these validation labels. The table of surveys
    has the columns ``top_30`` and ``adaptive_top_30`` where the metrics have them. The key ``unscored`` is there only
    if there are such surveys.
    """
    frames = []
    result: Facts = {}
    if truth is not None:
        _check_truth(data, truth)
    for split in ("valid", *data.tests):
        part = "valid" if split == "valid" else "test"
        scores = Table(scores_folder / part, None if split == "valid" else data.tests[split])
        if split == "valid":
            rows = data.rows_of(scores.surveys, data.train_name)
            species, actual = data.species, data.labels_of(rows)
            at = np.arange(len(rows))
        else:
            at = data.tests[split]
            rows = data.test[at]
            species, actual = test_labels(data, truth, split)
        ids, fold, predicted = sets.read(predictions_folder / part, species)
        ids, fold, predicted = ids[at], fold[at], predicted[at]
        wanted = data.places["surveyId"].to_numpy()[rows]
        if not (np.array_equal(ids, wanted) and np.array_equal(ids, scores.surveys)):
            raise DataError(f"{predictions_folder}/{part}: surveys differ from those of the scores or the dataset")
        frame = data.places.iloc[rows][["surveyId", "lon", "lat", "country", "region", "block"]].reset_index(drop=True)
        frame.insert(0, "split", split)
        frame["fold"] = fold
        frame["predicted"] = np.asarray(predicted.sum(axis=1)).ravel()
        frame["nearest_train_m"] = nearest_train(data, rows, fold)
        frame["actual"], frame["f1"] = -1, np.nan
        if actual is not None:
            scored = of_scores(scores, actual, species)
            result[split] = _measures(predicted, actual, scored, fold)
            if scored.single is not None:
                frame["top_30"], frame["adaptive_top_30"] = scored.single
            frame["actual"] = np.asarray(actual.sum(axis=1)).ravel()
            frame["f1"] = metrics.survey_f1(predicted, actual)
        if split == "valid":
            low, high = bootstrap(frame["f1"].to_numpy(), frame["block"].to_numpy(), resamples)
            result[split] |= {"sample_f1_low": low, "sample_f1_high": high, "folds": len(np.unique(fold))}
            by_species = per_species.of_folds(scored.areas, actual, species)
            per_species.write(by_species, names, Path(out))
        frames.append(frame)
    if (scores_folder / sets.OPTIMISTIC).is_dir():
        scores = Table(scores_folder / sets.OPTIMISTIC)
        actual = data.labels_of(data.rows_of(scores.surveys, data.train_name))
        predicted = sets.read(predictions_folder / sets.OPTIMISTIC, data.species)[-1]
        scored = of_scores(scores, actual, data.species)
        result[sets.OPTIMISTIC] = _measures(predicted, actual, scored, scores.fold)
    result |= {"scheme": scheme, "stop": stop}
    if unscored:
        result["unscored"] = list(unscored)
    pd.concat(frames, ignore_index=True).to_parquet(Path(out) / "surveys.parquet", index=False)
    (Path(out) / "metrics.json").write_text(json.dumps(result, indent=1) + "\n")
    return result


def splits(metrics: Facts) -> list[str]:
    """The splits that have metrics, in this order: ``valid``, ``test`` or the names of several tests, ``optimistic``.

    metrics : what `write` returns
    """
    return [split for split in ("valid", *tests(metrics), sets.OPTIMISTIC) if split in metrics]


def tests(metrics: Facts) -> list[str]:
    """The tests that have metrics: ``test``, or ``test_ood`` and the like of a dataset with several, or none."""
    return [split for split in metrics if schema.is_test(split, "test")]


def title(split: str) -> str:
    """A split as words: validation, test, test ood."""
    return "validation" if split == "valid" else split.replace("_", " ")


def test_labels(
    data: SurveyData, truth: pd.DataFrame | None, split: str
) -> tuple[np.ndarray, sparse.csr_matrix | None]:
    """Labels of one of `data.tests` where they are known: (species, boolean CSR), or (data.species, None).

    A held-out test has its own labels; else they come from `truth`, a frame (dataset, surveyId, speciesId), whose
    species may go beyond those of the training data. Rows without a dataset are of the tests that have no other.
    """
    if data.held_out:
        return data.species, data.labels_of(data.test)
    if truth is None:
        return data.species, None
    ids = data.places["surveyId"].to_numpy()[data.test[data.tests[split]]]
    if "dataset" in truth:
        own = truth["dataset"] == data.test_name + split.removeprefix("test")
        truth = truth[own if own.any() else truth["dataset"].isna()]
    truth = truth.loc[truth["surveyId"].isin(ids), ["surveyId", "speciesId"]].drop_duplicates()
    if not len(truth):
        return data.species, None
    wider = np.union1d(data.species, truth["speciesId"].to_numpy()).astype(np.int32)
    order = np.argsort(ids)
    row = order[np.searchsorted(ids[order], truth["surveyId"].to_numpy())]
    column = np.searchsorted(wider, truth["speciesId"].to_numpy())
    return wider, sparse.csr_matrix((np.ones(len(truth), bool), (row, column)), shape=(len(ids), len(wider)))


@dataclass(frozen=True)
class OfScores:
    """What is measured of scores alone, without the sets that were decided from them.

    recall : k -> share of each survey's species among its k best scores, (n,), NaN of a survey without species
    folds : (f,) ascending; areas : (f, m) under the ROC curve, as of `Areas`
    single : whether each survey counts for top-30 and for adaptive top-30 of GeoLifeCLEF 2020, (2, n) bool; None
        where a survey has not exactly one species
    """

    recall: dict[int, np.ndarray]
    folds: np.ndarray
    areas: np.ndarray
    single: np.ndarray | None


def of_scores(scores: Table | Held, actual: sparse.csr_matrix, species: np.ndarray | None = None) -> OfScores:
    """Measure the scores of surveys against their labels, block by block.

    actual : (n, m) boolean CSR over `species`, which are at least those of the scores; None: the same
    """
    areas = Areas(actual, scores.fold)
    sizes = np.asarray(actual.sum(axis=1, dtype=np.int64)).ravel()
    alone = len(sizes) > 0 and bool((sizes == 1).all())
    hits = {k: np.zeros(len(sizes), np.int64) for k in RECALLS}
    # of surveys with one species alone: how many score better, and its score
    better, own = np.full(len(sizes), actual.shape[1]), np.zeros(len(sizes), np.float32)

    def work(block: Block) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[Keys]]:
        ranked = block.ranked
        entry = np.flatnonzero(ranked.labels()[0])
        row = np.searchsorted(ranked.indptr, entry, side="right") - 1
        return block.rows.start + row, entry - ranked.indptr[row], ranked.values[entry], areas.keys(block)

    for row, place, score, keys in scores.each(work, actual=actual, species=species):
        areas.add(keys)
        for k in RECALLS:
            hits[k] += np.bincount(row[place < k], minlength=len(sizes))
        if alone:
            better[row], own[row] = place, score
    single = None
    if alone:
        values = scores.each(lambda block: block.ranked.values)
        threshold = metrics.threshold_of(values, *actual.shape)
        single = np.stack([better < metrics.LISTED, own > threshold])
    recall = {k: np.where(sizes > 0, hits[k] / np.maximum(sizes, 1), np.nan) for k in RECALLS}
    return OfScores(recall, areas.folds, areas.areas, single)


def measure(
    predicted: sparse.csr_matrix, actual: sparse.csr_matrix, scores: sparse.csr_matrix, fold: np.ndarray
) -> Facts:
    """All measures of sets and scores (CSR over one vocabulary), a dict of floats.

    fold : (n,) int, whose model scored each survey. Scores of different models are not comparable, so that the area
        under the ROC curve is the mean of the folds'; ``by_fold`` keeps each one's surveys, F1 and area

    Those of GeoLifeCLEF 2020, ``top_30`` and ``adaptive_top_30``, are there where every survey has one species.
    """
    return _measures(predicted, actual, of_scores(Held(scores, fold), actual), fold)


def _measures(predicted: sparse.csr_matrix, actual: sparse.csr_matrix, scored: OfScores, fold: np.ndarray) -> Facts:
    areas = [_mean_known(row) for row in scored.areas]
    facts = {
        "surveys": int(actual.shape[0]),
        "sample_f1": metrics.sample_f1(predicted, actual),
        "micro_f1": metrics.micro_f1(predicted, actual),
        "macro_f1": metrics.macro_f1(predicted, actual),
        **{f"recall_at_{k}": _mean_known(recall) for k, recall in scored.recall.items()},
        "macro_auc": _mean_known(np.array(areas)),
        "mean_set": float(predicted.sum() / predicted.shape[0]),
        "mean_species": float(actual.sum() / actual.shape[0]),
    }
    if scored.single is not None:
        facts |= dict(zip(("top_30", "adaptive_top_30"), scored.single.mean(axis=1).tolist(), strict=True))
    by_fold = [
        {
            "fold": int(number),
            "surveys": int((fold == number).sum()),
            "sample_f1": metrics.sample_f1(predicted[fold == number], actual[fold == number]),
            "macro_auc": area,
        }
        for number, area in zip(scored.folds, areas, strict=True)
    ]
    return facts | ({"by_fold": by_fold} if len(by_fold) > 1 else {})


def _mean_known(values: np.ndarray) -> float:
    """The mean of the values that are not NaN; NaN where there is none."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def bootstrap(
    values: np.ndarray,
    blocks: np.ndarray,
    resamples: int = 2_000,
    seed: int = 0,
    weights: np.ndarray | None = None,
) -> tuple[float, float]:
    """95 % interval of the mean of `values` when whole `blocks` are drawn again: (low, high).

    weights : (n,) what the sum of `values` is divided by, such as the species of a survey for a share of species; None
        counts each as one. Draws without any weight are left out
    """
    _, index = np.unique(blocks, return_inverse=True)
    total, count = np.bincount(index, values), np.bincount(index, weights)
    draw = np.random.default_rng(seed).integers(len(count), size=(resamples, len(count)))
    above, below = total[draw].sum(axis=1), count[draw].sum(axis=1)
    means = above[below > 0] / below[below > 0]
    low, high = np.quantile(means, [0.025, 0.975]) if len(means) else (np.nan, np.nan)
    return float(low), float(high)


def compare(
    frame: pd.DataFrame, other: pd.DataFrame, split: str, resamples: int = 2_000, size_m: float | None = None
) -> Facts | None:
    """Sample-averaged F1 of two experiments on the surveys of `split` that both predicted in one fold, and the gain.

    frame, other : per-survey tables of `write`
    size_m : side of the squares that are drawn again where a split has no blocks; None: no interval on a test
    returns : a dict of surveys, own, other, difference and, on validation or with `size_m`, low and high, the 95 %
        interval of the difference by the bootstrap over blocks; None where they share no survey
    """
    own, theirs = (table[(table["split"] == split) & table["f1"].notna()] for table in (frame, other))
    both = own.merge(theirs[["surveyId", "fold", "f1"]], on=["surveyId", "fold"], suffixes=("", "_other"))
    if not len(both):
        return None
    gain = (both["f1"] - both["f1_other"]).to_numpy()
    facts = {
        "surveys": len(both),
        "own": both["f1"].mean(),
        "other": both["f1_other"].mean(),
        "difference": gain.mean(),
    }
    if split == "valid" or size_m is not None:
        blocks = both["block"].to_numpy() if size_m is None else spatial_blocks(both, size_m)
        facts["low"], facts["high"] = bootstrap(gain, blocks, resamples)
    return facts


def _check_truth(data: SurveyData, truth: pd.DataFrame) -> None:
    """Refuse a truth of other surveys, or one that does not tell of which test it is."""
    if data.held_out:
        return
    labelled = [split for split in data.tests if test_labels(data, truth, split)[1] is not None]
    if not labelled:
        raise DataError("the truth of the test names none of its surveys; does it belong to another dataset?")
    if "dataset" in truth:
        own = set(truth["dataset"].dropna())
        open_tests = [split for split in data.tests if data.test_name + split.removeprefix("test") not in own]
        ids = pd.Series(data.places["surveyId"].to_numpy()[data.test[np.concatenate(
            [data.tests[split] for split in open_tests] or [np.zeros(0, int)]
        )]])  # fmt: skip
        twice = np.intersect1d(ids[ids.duplicated()], truth.loc[truth["dataset"].isna(), "surveyId"])
        if len(twice):
            raise DataError(
                f"the truth has labels of survey {twice[0]}, which is in two of {', '.join(open_tests)}; expected each "
                "test's labels in the file of its surveys; add the column speciesId there"
            )


def read_truth(dataset: Dataset, surveys_folder: StrPath) -> pd.DataFrame | None:
    """Labels of a dataset's tests, a frame (dataset or null, surveyId, speciesId), or None where it has none.

    surveys_folder : of its survey tables, which keep the numbers of ids that are text
    """
    frames = []
    own = own_truth.read(dataset, surveys_folder)
    if own is not None:
        if dataset.truth():
            raise DataError(
                f"{dataset.folder}: found labels of the test in {dataset.relative(dataset.truth()[0][1])} and in what "
                f"{dataset.edition.looks_for()} names as the species of the test; expected them in one place"
            )
        frames.append(own.assign(dataset=None)[["dataset", "surveyId", "speciesId"]])
    for name, path in dataset.truth():
        columns = pd.read_csv(path, nrows=0).columns
        if name and "speciesId" not in columns:
            continue  # a test's own file, without labels
        missing = [column for column in ("surveyId", "speciesId") if column not in columns]
        if missing:
            raise DataError(
                f"{path}: column {missing[0]!r} is missing; found {list(columns)}, expected surveyId and speciesId, "
                "the labels of the test; rename the column"
            )
        frame = pd.read_csv(path, usecols=["surveyId", "speciesId"])
        frame = frame.dropna().astype(np.int64)
        if len(frame):
            frames.append(frame.assign(dataset=name or None)[["dataset", "surveyId", "speciesId"]])
    return pd.concat(frames, ignore_index=True) if frames else None


def nearest_train(data: SurveyData, rows: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Great-circle metres from each survey to the nearest training survey that its model saw."""
    out = np.empty(len(rows))
    for f in np.unique(fold):
        at = fold == f
        train = data.train(None if f < 0 else f)
        out[at] = exact.distance_to_nearest(data.places.iloc[rows[at]], data.places.iloc[train], exclude_group=False)
    return out


def truth_digest(dataset: Dataset) -> list[str]:
    """Digests of a dataset's truth files, a list."""
    return [storage.file_digest(path) for path in dataset.truth_files()]
