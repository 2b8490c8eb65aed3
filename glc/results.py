"""Finished experiments below ROOT: the one reader of their metrics, sets, submissions, reports and costs.

What `glc.evaluation` writes to a folder is read by `read_metrics`, `read_surveys` and `read_species`. `finished` lists
the experiments of a ROOT; of each a `Result` finds the outputs that it was made from by their manifests, without Luigi.
"""

import contextlib
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
from scipy import sparse

from glc import config, products, storage
from glc import surveys as survey_data
from glc.errors import DataError
from glc.products import Step
from glc.surveys import SurveyData
from glc.types import Facts

METRICS, SURVEYS, SPECIES, BASELINES = "metrics.json", "surveys.parquet", "species.parquet", "baselines.json"
"""Files of an evaluation, the third of presence-only records alone; and the file of the frequency baselines."""
AREAS, HISTORY = "species.csv", "history.csv"
"""The table of species of an evaluation; and the learning curve of a net."""
TRAININGS = ("Fit", "FineTune", "ChosenEpoch")
"""Tasks that train the net of a fold."""
PREPARATION = ("VirtualPart", "Surveys", "Folds", "Tiles", "Cubes", "Tabular")
"""Tasks that make a dataset ready, for all experiments alike."""
_CUT = re.compile(r".{100,}-[0-9a-f]{12}")
"""What `config.file_name` makes of a long name."""


def read_metrics(folder: Path) -> Facts:
    """What `glc.evaluation` wrote to a folder: split -> measure -> value, and ``scheme``, ``stop``, ``relative``."""
    return _table(folder / METRICS)


def _table(path: Path) -> Facts:
    """Metrics, which hold at least the scheme of the validation."""
    metrics = storage.read_json(path)
    if not isinstance(metrics, dict) or not {"scheme", "stop"} <= metrics.keys():
        raise DataError(
            f"{path}: no metrics, expected a JSON object with the keys scheme and stop; run the experiment again"
        )
    return metrics


def read_surveys(folder: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """The table of evaluated surveys of `glc.evaluation`, a row per split and survey; all columns by default."""
    return pd.read_parquet(folder / SURVEYS, columns=None if columns is None else list(columns))


def read_species(folder: Path) -> pd.DataFrame:
    """Measures per split, fold and species, of presence-only records alone (`glc.evaluation.suitability`)."""
    return pd.read_parquet(folder / SPECIES)


def read_baselines(folder: Path) -> list[Facts]:
    """What `glc.evaluation.baselines` wrote to a folder: a dict per level."""
    return storage.read_json(folder / BASELINES)


def survey_f1(folder: Path) -> dict[str, pd.Series]:
    """F1 of each survey of the splits that could be evaluated: split -> Series by surveyId."""
    frame = read_surveys(folder, ["split", "surveyId", "f1"]).dropna(subset="f1")
    return {str(split): part.set_index("surveyId")["f1"] for split, part in frame.groupby("split")}


def measure(metrics: Facts) -> str:
    """Key of the measure that an experiment is known by: F1, or the AUC of presence-only records alone."""
    return "auc" if "relative" in metrics else "sample_f1"


@dataclass(frozen=True)
class Costs:
    """What outputs took to make, each counted once.

    seconds : of wall time; cpu_seconds : of processor time, NaN where a manifest does not say
    peak_memory_mb : largest of any output
    removed : names of the tasks whose outputs have been removed since; they are not counted
    """

    seconds: float
    cpu_seconds: float
    peak_memory_mb: float
    removed: tuple[str, ...] = ()


def costs(manifests: Iterable[Facts], removed: Iterable[str] = ()) -> Costs:
    """The `Costs` of outputs with these manifests."""
    known = [facts for facts in manifests if "seconds" in facts]
    return Costs(
        seconds=sum(facts["seconds"] for facts in known),
        # outputs of before it was measured do not say
        cpu_seconds=sum(facts.get("cpu_seconds", math.nan) for facts in known),
        peak_memory_mb=max((facts["peak_memory_mb"] for facts in known), default=math.nan),
        removed=tuple(sorted(set(removed))),
    )


@dataclass(frozen=True)
class Result:
    """A finished experiment on a dataset.

    root : folder of all outputs; path : the published metrics, ``ROOT/metrics/<dataset>/<experiment>.json``
    """

    root: Path
    path: Path

    @property
    def dataset(self) -> str:
        """The dataset's name in paths."""
        return self.path.parent.name

    @cached_property
    def name(self) -> str:
        """The experiment's name, with its changes; of a long one, which no path holds, what the path holds of it if the
        evaluation has been removed.
        """
        if _CUT.fullmatch(self.path.stem):
            with contextlib.suppress(DataError):
                return str(self.manifest["parameters"]["experiment"])
        return unquote(self.path.stem)

    @cached_property
    def metrics(self) -> Facts:
        """As `read_metrics` returns them: the evaluation's own, because published files can be edited; see `folder`."""
        return read_metrics(self.folder)

    @cached_property
    def problem(self) -> str:
        """Why nothing is known of it, see `folder`; empty where its evaluation is there."""
        try:
            storage.check_file(self.folder / METRICS)
        except DataError as error:
            return str(error)
        return ""

    @property
    def relative(self) -> bool:
        """Whether the scores are relative suitability, of presence-only records alone."""
        return bool(self.metrics.get("relative"))

    @property
    def optimism(self) -> str:
        """What the validation score has to be shown with, see `config.caveat`; empty for nothing."""
        return config.caveat(self.metrics["scheme"], self.metrics["stop"])

    @property
    def score(self) -> float:
        """What the experiment is sorted by: F1 (or AUC) of validation; NaN where it is not defined or not known."""
        if self.problem:
            return math.nan
        value = self.metrics.get("valid", {}).get(measure(self.metrics))
        return math.nan if value is None else value

    @property
    def when(self) -> datetime:
        """When the metrics were published."""
        return datetime.fromtimestamp(self.path.stat().st_mtime)

    @cached_property
    def folder(self) -> Path:
        """The output of the evaluation; a DataError says that it has been removed, or that the metrics were edited."""
        candidates = products.published_as(self.path, self.root, f"{self.dataset}/Evaluate-*")
        digest = storage.file_digest(self.path)
        for folder, recorded in candidates:
            if recorded == digest:
                return folder
        problem = "was edited" if candidates else "its output in the store has been removed (glc clean)"
        raise DataError(
            f"{self.path}: {problem}, so that nothing is known of it; run the experiment again: glc run "
            f"'{unquote(self.path.stem)}'"
        )

    @cached_property
    def manifest(self) -> Facts:
        """The manifest of the evaluation."""
        return storage.manifest(self.folder)

    @property
    def identity(self) -> str:
        """The evaluation's identity."""
        return str(self.manifest["identity"])

    @cached_property
    def surveys(self) -> pd.DataFrame:
        """As `read_surveys` returns them."""
        return read_surveys(self.folder)

    @cached_property
    def species(self) -> pd.DataFrame:
        """As `read_species` returns them."""
        return read_species(self.folder)

    @cached_property
    def steps(self) -> list[Step]:
        """The evaluation and every output that it was made from."""
        return products.chain(self.root, self.folder)

    def step(self, task: str) -> Step | None:
        """The output of a task that the evaluation reads itself, such as Folds; None where it reads none."""
        needed = {entry["identity"] for entry in self.manifest["inputs"] if entry["task"] == task}
        return next((step for step in self.steps if step.task == task and step.identity in needed), None)

    @cached_property
    def folds(self) -> Step:
        """The folds: experiments with the same are validated on the same surveys."""
        step = self.step("Folds")
        if step is None:
            raise DataError(f"{self.folder}: its manifest names no Folds; run the experiment again")
        return step

    @cached_property
    def species_areas(self) -> pd.DataFrame:
        """The table of species with their areas under the ROC curve on validation (`glc.evaluation.per_species`)."""
        return storage.read_csv(self.folder / AREAS)

    @cached_property
    def histories(self) -> dict[str, pd.DataFrame]:
        """Learning curves of the nets: ``fold_0`` -> ``history.csv``; of an ensemble ``member_1_fold_0``."""
        trained = [step for step in self.steps if step.task in TRAININGS and step.facts is not None]
        members = list(dict.fromkeys(_member(step) for step in trained))
        named = {}
        for step in trained:
            member = f"member_{members.index(_member(step)) + 1}_" if len(members) > 1 else ""
            fold = storage.manifest(step.folder)["parameters"]["fold"]
            named[f"{member}fold_{fold}"] = pd.read_csv(step.folder / HISTORY)
        return dict(sorted(named.items()))

    def data(self) -> SurveyData | None:
        """The surveys with these folds; None where either has been removed since."""
        surveys = self.step("Surveys")
        if surveys is None or surveys.facts is None or self.folds.facts is None:
            return None
        for step in (surveys, self.folds):
            storage.bring(step.folder)
        return survey_data.read(surveys.folder, self.folds.folder)

    def predictions(self, split: str, species: np.ndarray) -> tuple[np.ndarray, sparse.csr_matrix] | None:
        """Survey ids (n,) and the sets predicted for them, a boolean CSR over `species`; None where they are gone.

        split : valid or test
        """
        from glc.prediction import sets

        step = self.step("Predictions")
        if step is None or step.facts is None:
            return None
        storage.bring(step.folder)
        ids, _, predicted = sets.read(step.folder / split, species)
        return ids, predicted

    def costs(self, *, preparation: bool) -> Costs:
        """What the experiment took.

        preparation : count the steps that make a dataset ready (`PREPARATION`), which experiments share, or all others
        """
        steps = [step for step in self.steps if (step.task in PREPARATION) == preparation]
        return costs(
            [step.facts for step in steps if step.facts is not None],
            [step.task for step in steps if step.facts is None],
        )

    @property
    def report(self) -> Path | None:
        """The experiment's page; None where there is none."""
        path = self.root / "reports" / self.dataset / self.path.stem / "index.html"
        return path if path.is_file() else None

    @property
    def submissions(self) -> list[Path]:
        """The validated files for the contest, one per test."""
        folder, stem = self.root / "submissions" / self.dataset, self.path.stem
        tests = [f"{split.removeprefix('test').replace('_', '-')}" for split in self.metrics if split[:4] == "test"]
        names = dict.fromkeys([f"{stem}.csv", *(f"{stem}{test}.csv" for test in tests)])
        return [folder / name for name in names if (folder / name).is_file()]


def _member(step: Step) -> str:
    """The settings of a net that those of all folds of an experiment have in common."""
    known = step.facts["parameters"] if step.facts else {}
    return json.dumps({section: known.get(section) for section in ("model", "inputs", "train", "po", "pretrain")})


def finished(root: Path, dataset: str = "") -> list[Result]:
    """The finished experiments below ROOT, by dataset, the best on validation first.

    dataset : name of one in paths; empty for all
    """
    paths = [path for path in sorted((root / "metrics").glob("*/*.json")) if dataset in ("", path.parent.name)]
    results = [Result(root, path) for path in paths]
    return sorted(results, key=lambda result: (result.dataset, -(result.score if result.score == result.score else 0)))
