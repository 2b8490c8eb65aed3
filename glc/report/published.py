"""Figures that papers report of whole systems, next to those of the experiments that rebuild them.

Single rows of the papers' tables are compared in ``tasks/``, which run from a checkout; these are the systems that a
person compares an experiment with.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from glc.report.papers import OTHER_DATA, Paper, Reported, compare
from glc.results import Result
from glc.types import Facts

DSGT_2024 = Paper(
    name="DS@GT 2024",
    data="GeoLifeCLEF 2024, 88,987 PA surveys",
    split="the contest's hidden test",
    score="F1 on the leaderboard, of which only the prose survives",
    editions=("glc2024",),
    surveys=88_987,
)
TIGHNARI_2024 = Paper(
    name="Liu et al. 2024",
    data="GeoLifeCLEF 2024, 88,987 PA surveys",
    split="ten random folds, and the contest's test",
    score="F1 of validation (optimistic of cross-fusion) / public / private leaderboard; seconds per epoch on an A100",
    editions=("glc2024",),
    surveys=88_987,
    validation={"scheme": "random", "count": 10, "run": 10, "stop": "own"},
)
INRIA_2020 = Paper(
    name="LIRMM / Inria 2020",
    data="GeoLifeCLEF 2020, 1.9 million occurrences of 30,000 species",
    split="the contest's test: 2.5 % of the quadrats of 5 km",
    score="top-30 / adaptive top-30 accuracy",
    editions=("glc2020",),
    surveys=1_900_000,
)


@dataclass(frozen=True)
class System:
    """A system of a paper: its name, what it was measured on, the experiment that rebuilds it, its figures.

    measures : column of the figures that `glc` measures, too -> key of the metrics of the test
    """

    name: str
    title: str
    paper: Paper
    experiment: str
    reported: Reported
    measures: dict[str, str]


def _f1(text: str, public: float, private: float = math.nan) -> Reported:
    figures = {"public": public, "private": private}
    return Reported(text, {name: figure for name, figure in figures.items() if figure == figure})


def _accuracy(top: float, adaptive: float) -> Reported:
    text = f"top-30 {top:.4f}, adaptive top-30 {adaptive:.4f}".replace("0.", ".")
    return Reported(text, {"test top-30": top, "test adaptive top-30": adaptive})


_LEADERBOARD = {"public": "", "private": ""}
_TOP_30 = {"test top-30": "top_30", "test adaptive top-30": "adaptive_top_30"}
_DSGT, _TIGHNARI, _INRIA = "Miyaguchi et al. 2024", "Liu et al. 2024", "Deneu et al. 2020"

SYSTEMS: Sequence[System] = (
    System("geolocation net", _DSGT, DSGT_2024, "geolocation-published", _f1("public .161", 0.161), _LEADERBOARD),
    System("tile CNN, RGB-NIR", _DSGT, DSGT_2024, "tile-cnn-published", _f1("public .161", 0.161), _LEADERBOARD),
    System("tile CNN, land cover and climate", _DSGT, DSGT_2024, "tile-cnn-rasters-published",
           _f1("public .02, did not converge", 0.02), _LEADERBOARD),
    System("CNN of the time series", _DSGT, DSGT_2024, "cube-cnn-published", _f1("public .10", 0.10), _LEADERBOARD),
    System("Tighnari, final submission", _TIGHNARI, TIGHNARI_2024, "tighnari-published",
           _f1("public .36478, private .36242", 0.36478, 0.36242), _LEADERBOARD),
    System("run 1, random forest", _INRIA, INRIA_2020, "inria-run1", _accuracy(0.2043, 0.2130), _TOP_30),
    System("run 2, dropout at prediction", _INRIA, INRIA_2020, "inria-run3+predict.dropout=true",
           _accuracy(0.2115, 0.1549), _TOP_30),
    System("run 3, Inception v3", _INRIA, INRIA_2020, "inria-run3", _accuracy(0.2346, 0.2333), _TOP_30),
)  # fmt: skip
COLUMNS = ["system", "paper", "figures", "experiment", "ours", "compared"]


def table(results: Sequence[Result], surveys: Facts) -> pd.DataFrame:
    """The systems of the papers that measured on a dataset, next to the experiments that rebuild them.

    results : experiments of the dataset; surveys : manifest of its `Surveys`
    returns : frame of `COLUMNS`; no rows where no paper has the dataset. Ours are of the dataset's own test, if its
        labels are known; scores of a leaderboard are known to the contest alone, so that nothing is compared with them
    """
    known = {result.name: result for result in results}
    training = surveys["datasets"].get(surveys["train"], {}).get("surveys", 0)
    rows = []
    for system in SYSTEMS:
        if not system.paper.has_data(surveys["edition"], training):
            continue
        result = known.get(system.experiment)
        test = result.metrics.get("test", {}) if result else {}
        own_test = bool(surveys["datasets"].get(surveys["test"], {}).get("surveys"))
        figures = {column: test.get(key) for column, key in system.measures.items() if key}
        ours = {column: value for column, value in figures.items() if value is not None} if own_test else {}
        text = ", ".join(f"{column} {value:.4f}" for column, value in ours.items())
        if result and not text:
            text = f"validation F1 {result.score:.4f}{f' ({result.optimism})' if result.optimism else ''}"
        verdict = compare(system.reported, ours, {}, same_data=True) if result else ""
        judged = "" if verdict == OTHER_DATA else verdict
        if result and not judged:
            judged = "other test: only the contest knows its labels"
        rows.append((system.name, system.title, system.reported.text, result.name if result else "", text, judged))
    return pd.DataFrame(rows, columns=COLUMNS)
