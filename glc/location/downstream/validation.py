"""Downstream tasks of a location encoder: frozen features of coordinates, one head per target, evaluated on folds.

Whatever is fitted (scalers, heads, lists of classes, neighbours) is fitted on the training folds of the moment. What
tells of a place is a `Source`; the control of every encoder is the same head on its harmonics alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from glc import storage
from glc.config import Head
from glc.errors import ConfigError
from glc.location.downstream import intervals, kriging, nearest, problems
from glc.location.downstream.heads import HEAD, Prediction, fit_predict
from glc.location.downstream.problems import Problem
from glc.location.downstream.sources import ALL, PLACES_ALONE, Source
from glc.progress import tqdm
from glc.types import StrPath

POOLED = "all"
_CLIMATE = ("tmean", "altitude")


@dataclass(frozen=True)
class Result:
    """What cross-validation found.

    scores : frame with target, measure, folds, fold (`POOLED` for all held-out places together), seed, score, places,
        and unseen, the share of these places whose class the training rows lack
    held_out : column of folds -> target -> Prediction of all places, mean over the seeds; NaN at those not held out
    sums : frame of `glc.location.downstream.intervals.COLUMNS`, what the pooled scores of each seed are made of
    """

    scores: pd.DataFrame
    held_out: dict[str, dict[str, Prediction]]
    sums: pd.DataFrame


def cross_validate(
    problem: Problem, source: Source, paths: Mapping[str, StrPath], head: Head = HEAD, seeds: int = 3
) -> Result:
    """Predict each fold from the other folds of its column, with heads of `seeds` seeds: a Result.

    problem : `glc.location.downstream.problems.Problem`
    paths : file of a raster (`ALL` -> path), or of encoders: `ALL` -> path, or target -> path for those targets alone
    """
    groups = _groups(problem, source, paths)
    place = problem.places[["lon", "lat"]].to_numpy().T
    by_group = [_features(source, path, without, *place) for path, without, _ in groups]
    seeds = _seeds(source, seeds)
    rows, held_out, parts_of_scores = [], {}, []
    total = len(groups) * len(seeds) * sum(map(len, problem.folds.values()))
    with tqdm(total=total, desc=f"{problem.name} folds", leave=False) as bar:
        for column, folds in problem.folds.items():
            fold = problem.places[column].to_numpy()
            held = {number: np.flatnonzero(fold == number) for number in folds}
            held_out[column] = {}
            for (_, _, names), features in zip(groups, by_group, strict=True):
                by_seed = []
                for seed in seeds:
                    parts = []
                    for number, asked in held.items():
                        train = fold != number
                        inner = fold[train]
                        parts.append(
                            _predict(problem, source, names, features, train, features[asked], inner, head, seed)
                        )
                        bar.update()
                    joined = {
                        name: Prediction.join([part[name] for part in parts], held.values(), len(fold))
                        for name in names
                    }
                    rows += _scores(problem, column, held, joined, seed)
                    parts_of_scores += [
                        intervals.sums(problem, problem.target(name), prediction, column, seed)
                        for name, prediction in joined.items()
                    ]
                    by_seed.append(joined)
                held_out[column] |= {name: Prediction.mean(run[name] for run in by_seed) for name in names}
    return Result(pd.DataFrame(rows), held_out, pd.concat(parts_of_scores, ignore_index=True))


def predict(
    problem: Problem, source: Source, paths: Mapping[str, StrPath], head: Head = HEAD, seeds: int = 3
) -> dict[str, Prediction]:
    """Predict the places without labels from all labelled ones: target -> Prediction, mean over the seeds.

    A raster is refused: what it says at a place to predict may be the answer itself.
    """
    if source.kind == "raster":
        raise ConfigError("a raster may not be read at the places to predict; give features or an encoder")
    every, fold = np.ones(len(problem.places), bool), problem.places[problems.CHOOSING].to_numpy()
    predictions = {}
    for path, without, names in _groups(problem, source, paths):
        known, asked = (
            _features(source, path, without, *frame[["lon", "lat"]].to_numpy().T)
            for frame in (problem.places, problem.query)
        )
        runs = [
            _predict(problem, source, names, known, every, asked, fold, head, seed) for seed in _seeds(source, seeds)
        ]
        predictions |= {name: Prediction.mean(run[name] for run in runs) for name in names}
    return predictions


def chosen_votes(problem: Problem) -> dict[str, nearest.Votes]:
    """Of the kind inverse-distance, what predicts the places without labels: target -> k and power."""
    at, fold = problem.places[["lon", "lat"]].to_numpy().T, problem.places[problems.CHOOSING].to_numpy()
    labels = problem.labels(target.name for target in problem.targets)
    return nearest.choose(at, labels, fold, _otherwise(problem))


def _otherwise(problem):
    """What votes where a single inner fold leaves nothing to choose by."""
    return nearest.Votes(problem.k, 1.0)


def knows(source, paths, target):
    """Why the encoder of `source` may already have seen a Target; empty if it has not."""
    path = paths.get(target.name, paths.get(ALL))
    if source.kind != "encoder" or path is None:
        return ""
    from glc.location import LocationEncoder

    bands = LocationEncoder.load(path).facts.get("bands")
    if bands is None:
        return "its file does not tell the bands of its imagery"
    own = [band for band in bands if target.own and band.startswith(target.own)]
    return f"its imagery had {own[0]}" if own else ""


def measures(target, truth, prediction):
    """Measures of a target: R² of values; accuracy, and that of the five most probable classes.

    truth : (n,), None where a class is missing: such a place does not count
    """
    if target.kind == "value":
        truth = truth.astype(np.float64)
        residual, spread = truth - prediction.values, truth - truth.mean()
        return {"R²": float(1 - (residual**2).sum() / (spread**2).sum())}
    known = np.array([value is not None for value in truth])
    if not known.any():
        return {"accuracy": np.nan, "top-5 accuracy": np.nan}
    top = prediction.top(5)[known]
    hit = top == truth[known][:, None]
    return {"accuracy": float(hit[:, 0].mean()), "top-5 accuracy": float(hit.any(axis=1).mean())}


def pooled_scores(problem, target, prediction, column):
    """Rows of `Result.scores` of one prediction of all places, for all held-out places of `column` together."""
    fold = problem.places[column].to_numpy()
    held = {number: np.flatnonzero(fold == number) for number in problem.folds[column]}
    rows = _scores(problem, column, held, {target.name: prediction}, 0)
    return pd.DataFrame([row for row in rows if row["fold"] == POOLED])


def write_predictions(problem: Problem, predictions: Mapping[str, Prediction], path: Path) -> None:
    """Write the predicted places: lat, lon and targets (.parquet), or surveyId, class and top5 (.csv, by spaces)."""
    frame = problem.query.copy()
    for name, prediction in predictions.items():
        frame[name] = prediction.best
    if path.suffix == ".parquet":
        frame[["lat", "lon", *predictions]].to_parquet(path, index=False)
    else:
        (name,) = predictions
        frame["top5"] = [" ".join(row) for row in predictions[name].top(5)]
        frame[["surveyId", name, "top5"]].to_csv(path, index=False)


def save(predictions: Mapping[str, Prediction], folder: Path) -> None:
    """Write target -> Prediction as ``folder/<target>.npz``; probabilities as float16."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, prediction in predictions.items():
        if prediction.classes is None:
            np.savez_compressed(folder / f"{name}.npz", values=prediction.values)
        else:
            np.savez_compressed(
                folder / f"{name}.npz",
                values=prediction.values.astype(np.float16),
                classes=prediction.classes.astype(str),
            )


def load(folder, name):
    """The Prediction of target `name` that `save` wrote into `folder`, or None where there is none."""
    path = Path(folder) / f"{name}.npz"
    if not path.is_file():
        return None
    with np.load(path) as file:
        if "classes" not in file:
            return Prediction(file["values"])
        return Prediction(file["values"].astype(np.float32), file["classes"].astype(object))


def read_scores(folder: Path) -> pd.DataFrame:
    """The ``scores.csv`` in a folder, its folds as text."""
    missing = {name: [""] for name in ("score", "low", "high")}
    return storage.read_csv(folder / "scores.csv", keep_default_na=False, na_values=missing, dtype={"fold": str})


def read_sums(folder: Path) -> pd.DataFrame:
    """The ``sums.parquet`` in a folder, a frame of `glc.location.downstream.intervals.COLUMNS`."""
    return pd.read_parquet(folder / "sums.parquet")


def _groups(problem, source, paths):
    """Targets that share their features: list of (path, bands left out, names)."""
    names = [target.name for target in problem.targets]
    if source.kind in ("raster", "encoder") and not paths:
        raise ConfigError(f"a source of kind {source.kind!r} needs a file; give its path")
    unknown = [name for name in paths if name not in (ALL, *names)]
    if unknown:
        raise ConfigError(f"unknown target {unknown[0]!r}; expected {ALL!r} or some of: {', '.join(names)}")
    if source.left_out == "climate":
        names = [name for name in names if problem.target(name).own in _CLIMATE]
    groups = {}
    for name in names:
        path = paths.get(name, paths.get(ALL))
        if paths and path is None:
            continue  # an encoder for other targets
        own = problem.target(name).own
        without = {"": (), "own": (own,) if own else (), "climate": _CLIMATE}[source.left_out]
        groups.setdefault((path, without), []).append(name)
    return [(*key, members) for key, members in groups.items()]


def _features(source, path, without, lon, lat):
    if source.kind in PLACES_ALONE:
        return np.column_stack([lon, lat])
    if source.kind == "raster":
        return problems.nearest_pixel(path, lon, lat, without)[0]
    from glc.location import LocationEncoder
    from glc.location import features as feature_maps

    parts = [LocationEncoder.load(path).embed(lon, lat)] if source.kind == "encoder" else []
    if source.features.name != "none":
        parts.append(feature_maps.features(source.features.name, lon, lat, **source.features.options))
    return np.hstack(parts)


def _predict(problem, source, names, known, train, asked, inner, head, seed):
    """Predictions of the features `asked` by the rows `train` of `known`, whose folds are `inner`."""
    targets = {name: labels[train] for name, labels in problem.labels(names).items()}
    if source.kind == "nearest":
        return nearest.fit_predict(known[train].T, targets, asked.T, problem.k, source.power)
    if source.kind == "inverse-distance":
        votes = nearest.choose(known[train].T, targets, inner, _otherwise(problem))
        return nearest.predict(known[train].T, targets, asked.T, votes)
    if source.kind == "kriging":
        return kriging.fit_predict(known[train].T, targets, asked.T)
    return fit_predict(known[train], targets, asked, head, seed)


def _seeds(source, seeds):
    return [0] if source.kind in PLACES_ALONE else list(range(seeds))  # no head, whose seed would count


def _scores(problem, column, held, predictions, seed):
    """Rows of `Result.scores` of one seed, by fold and for all held-out places."""
    rows = []
    fold = problem.places[column].to_numpy()
    for name, prediction in predictions.items():
        target, truth = problem.target(name), problem.labels([name])[name]
        unseen = np.zeros(len(truth), bool)
        if target.kind == "class":
            for number, where in held.items():
                known = {label for label in truth[fold != number] if label is not None}
                unseen[where] = [label is not None and label not in known for label in truth[where]]
        for number, where in (held | {POOLED: np.concatenate(list(held.values()))}).items():
            for measure, score in measures(target, truth[where], prediction.at(where)).items():
                facts = {"target": name, "measure": measure, "folds": column, "fold": str(number), "seed": seed}
                rows.append(facts | {"score": score, "places": len(where), "unseen": float(unseen[where].mean())})
    return rows
