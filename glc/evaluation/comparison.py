"""Finished experiments compared with each other and with the best frequency baseline, on the surveys that they share.

Experiments with the same folds are compared survey by survey; those of other folds are another `Comparison`. Intervals
are those of a bootstrap of spatial blocks, also of random folds: surveys of one block are alike.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from glc import config
from glc.classical.frequency import LEVELS
from glc.evaluation import baselines, evaluate, grouped, strata, suitability
from glc.results import Result
from glc.surveys import SurveyData
from glc.types import Facts

MEASURES = ("sample_f1", "micro_f1", "macro_f1", "recall_at_25", "recall_at_100", "macro_auc", "top_30",
            "adaptive_top_30", "mean_set")  # fmt: skip
"""Measures of sets that are shown, where the metrics have them."""


@dataclass(frozen=True)
class Comparison:
    """Experiments that were validated on the same folds.

    results : best first; folds : of what their Folds were made, as its manifest says
    scores : a row per experiment or baseline, split and measure: value, low, high, surveys, kind (experiment, baseline)
    pairs : a row per experiment, other and split: surveys, own, other, difference, low, high, verdict
    groups : a row per grouping (`grouped.BY`), group and experiment: surveys (or species), value, low, high
    baseline : name of the best frequency baseline; empty where none could be computed
    against : the experiment that all others are compared with
    shared : surveys that all have evaluated; left_out : sentences on what could not be shown
    """

    results: Sequence[Result]
    folds: Facts
    scores: pd.DataFrame
    pairs: pd.DataFrame
    groups: pd.DataFrame
    baseline: str
    against: str
    shared: int
    left_out: Sequence[str] = field(default_factory=list)

    @property
    def relative(self) -> bool:
        """Whether the scores are relative suitability."""
        return self.results[0].relative

    @property
    def scheme(self) -> str:
        """How surveys were dealt to folds."""
        return str(self.results[0].metrics["scheme"])


def by_folds(results: Sequence[Result]) -> list[list[Result]]:
    """Experiments with the same folds together: spatial folds before other splits, then by how many there are."""
    groups: dict[str, list[Result]] = {}
    for result in sorted(results, key=lambda result: -result.score if result.score == result.score else math.inf):
        groups.setdefault(result.folds.identity, []).append(result)
    return sorted(groups.values(), key=lambda group: (group[0].metrics["scheme"] not in config.SPATIAL, -len(group)))


def compare(results: Sequence[Result], against: str = "", truth: pd.DataFrame | None = None) -> Comparison:
    """Compare experiments of the same folds.

    results : best first
    against : name of the experiment that the others are compared with; by default the best
    truth : labels of the tests, as in `evaluate.write`, for the baselines
    """
    names = [result.name for result in results]
    against = against if against in names else names[0]
    folds, data = results[0].folds.facts or {}, results[0].data()
    relative = results[0].relative
    left_out = (
        [] if data is not None else ["The survey tables have been removed (glc clean): no baselines, no classes."]
    )
    made = _relative_baseline(results, data) if relative else _baseline(results, data, truth)
    size_m = float(folds.get("parameters", {}).get("size_m", 30_000))
    frames = {result.name: result.surveys for result in results}
    if not relative and made is not None:
        frames |= {made.name: made.table}
    shared = grouped.shared_surveys(frames)
    groups = grouped.by_surveys(frames, shared, size_m, "recall_at_25" if relative else "f1")
    if not relative and data is not None and len(shared):
        sets = {result.name: result.predictions("valid", data.species) for result in results}
        if made is not None and made.predicted is not None:
            sets[made.name] = data.places["surveyId"].to_numpy()[made.predicted.rows], made.predicted.sets
        known = {name: decided for name, decided in sets.items() if decided is not None}
        groups = pd.concat([groups, grouped.by_frequency(known, data, shared, size_m)], ignore_index=True)
        gone = [name for name, decided in sets.items() if decided is None]
        left_out += [f"The predictions of {name} have been removed: it has no classes of species." for name in gone]
    others = [(name, against) for name in names if name != against]
    others = [(name, made.name) for name in names if made is not None] + others
    pairs = [row for pair in others for row in _pair(results, made, pair, size_m)]
    columns = ["experiment", "against", "split", "surveys", "own", "other", "difference", "low", "high", "verdict"]
    return Comparison(
        results,
        folds,
        _scores(results, made, size_m),
        pd.DataFrame(pairs, columns=columns),
        groups,
        made.name if made else "",
        against,
        len(shared),
        left_out,
    )


@dataclass(frozen=True)
class _Baseline:
    """The best frequency baseline. table : of surveys, or of presence-only records alone of species"""

    name: str
    table: pd.DataFrame
    facts: Facts = field(default_factory=dict)
    predicted: baselines.Predicted | None = None


def verdict(difference: float, low: float, high: float) -> str:
    """better, worse or no clear difference, by whether the interval leaves out 0; empty where there is none."""
    if low != low or high != high:
        return ""
    return "better" if low > 0 else "worse" if high < 0 else "no clear difference"


def _baseline(results: Sequence[Result], data: SurveyData | None, truth: pd.DataFrame | None) -> _Baseline | None:
    """The level of the highest F1 on the validation surveys of any of the experiments."""
    if data is None:
        return None
    folds = sorted({int(fold) for result in results for fold in grouped.valid_rows(result.surveys)["fold"].unique()})
    candidates = {level: baselines.predict(level, data, folds, truth) for level in LEVELS}
    best = max(LEVELS, key=lambda level: candidates[level]["valid"].f1.mean())
    tables = []
    for split, predicted in candidates[best].items():
        columns = ["surveyId", "lon", "lat", "country", "region", "block"]
        table = data.places.iloc[predicted.rows][columns].reset_index(drop=True)
        tables.append(table.assign(split=split, fold=predicted.fold, f1=predicted.f1))
    return _Baseline(_name(best), pd.concat(tables, ignore_index=True), predicted=candidates[best]["valid"])


def _relative_baseline(results: Sequence[Result], data: SurveyData | None) -> _Baseline | None:
    if data is None:
        return None
    folds = sorted({int(fold) for result in results for fold in grouped.valid_rows(result.surveys)["fold"].unique()})
    measured = {level: baselines.measure_relative(level, data, folds) for level in LEVELS}
    known = [level for level in LEVELS if measured[level][0]["auc"] is not None]
    if not known:
        return None
    best = max(known, key=lambda level: measured[level][0]["auc"])
    facts, table = measured[best]
    return _Baseline(f"frequency {_where(best)}", table.assign(split="valid"), facts)


def _name(level: str) -> str:
    return f"top {baselines.SIZE} {_where(level)}"


def _where(level: str) -> str:
    return "of all surveys" if level == "global" else f"of the {level}"


def _pair(
    results: Sequence[Result], made: _Baseline | None, pair: tuple[str, str], size_m: float
) -> list[tuple[str | float, ...]]:
    """Rows of the difference of an experiment and another, or the baseline, on each split that both have."""
    name, other = pair
    by_name = {result.name: result for result in results}
    own = by_name[name]
    is_baseline = made is not None and other == made.name
    if own.relative:
        theirs = made.table if is_baseline and made is not None else by_name[other].species
        facts = {"valid": suitability.compare(own.species, theirs)}
        count = "species"
    else:
        theirs = made.table if is_baseline and made is not None else by_name[other].surveys
        splits = ["valid", *evaluate.tests(own.metrics)]
        facts = {split: evaluate.compare(own.surveys, theirs, split, size_m=size_m) for split in splits}
        count = "surveys"
    rows: list[tuple[str | float, ...]] = []
    for split, values in facts.items():
        if values is not None:
            bounds = (values["difference"], values["low"], values["high"])
            rows.append((name, other, split, values[count], values["own"], values["other"], *bounds, verdict(*bounds)))
    return rows


def _scores(results: Sequence[Result], made: _Baseline | None, size_m: float) -> pd.DataFrame:
    rows = []
    for result in results:
        for split in evaluate.splits(result.metrics):
            values = result.metrics[split]
            known = suitability.MEASURES if result.relative else MEASURES
            for measure in (name for name in known if name in values):
                low, high = (values.get(f"{measure}_{end}") for end in ("low", "high"))
                if measure == "sample_f1" and low is None and split != "optimistic":
                    low, high = _of_split(result.surveys, split, size_m)
                count = values.get("surveys", values.get("records"))
                rows.append((result.name, "experiment", split, measure, count, values[measure], low, high))
    if made is not None and made.facts:
        for measure in suitability.MEASURES:
            rows.append(
                (made.name, "baseline", "valid", measure, made.facts["records"], made.facts[measure], None, None)
            )
    elif made is not None:
        for split in made.table["split"].unique():
            frame = made.table[(made.table["split"] == split) & made.table["f1"].notna()]
            if len(frame):
                low, high = _of_split(made.table, split, size_m)
                rows.append((made.name, "baseline", split, "sample_f1", len(frame), frame["f1"].mean(), low, high))
    columns = ["experiment", "kind", "split", "measure", "surveys", "value", "low", "high"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.astype({"value": np.float64, "low": np.float64, "high": np.float64})


def _of_split(frame: pd.DataFrame, split: str, size_m: float) -> tuple[float, float]:
    part = frame[(frame["split"] == split) & frame["f1"].notna()]
    if part.empty:
        return math.nan, math.nan
    return grouped.bounds(part["f1"].to_numpy(), strata.spatial_blocks(part, size_m))
