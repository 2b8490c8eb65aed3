"""What a run's outputs say of itself, for protocols: settings, manifests, metrics and a summary of the surveys."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from glc import config, results, storage
from glc.explain.explanation import Explanation
from glc.explain.importance import Importance
from glc.types import Facts

_SUMMARISED = ("dataset", "lon", "lat", "year", "geoUncertaintyInM", "areaInM2", "country", "crs", "species")


@dataclass(frozen=True)
class Run:
    """A finished run of an experiment on a dataset.

    experiment : resolved; dataset : its name
    surveys, folds, predictions : manifests; metrics : see `glc.evaluation.evaluate.write`
    parts : summary of each part of the dataset (`summary`), index: po, pa_train, …
    records : (species,) number of training surveys of each species that has any
    tables : manifests of the tables of values that the model reads
    importance : if it was measured; curves : ids of species with response curves
    relative : whether scores are a relative suitability
    members : the experiments that an ensemble joins
    """

    experiment: config.Experiment
    dataset: str
    surveys: Facts
    folds: Facts
    predictions: Facts
    metrics: Facts
    parts: pd.DataFrame
    records: np.ndarray
    tables: tuple[Facts, ...] = ()
    importance: Importance | None = None
    curves: tuple[int, ...] = ()
    relative: bool = False
    members: tuple[config.Experiment, ...] = ()

    @classmethod
    def read(
        cls,
        experiment: config.Experiment,
        dataset: str,
        *,
        surveys: Path,
        folds: Path,
        metrics: Path,
        predictions: Path | None = None,
        tables: tuple[Path, ...] = (),
        members: tuple[config.Experiment, ...] = (),
        answers: Explanation | None = None,
    ) -> Self:
        """From the folders that the stages wrote, and the answers, if there are any."""
        facts = storage.manifest(surveys)
        metrics_facts = results.read_metrics(metrics)
        parts, records = summary(surveys, facts["train"])
        return cls(
            experiment,
            dataset,
            facts,
            storage.manifest(folds),
            storage.manifest(predictions) if predictions else {},
            metrics_facts,
            parts,
            records,
            tuple(storage.manifest(folder) for folder in tables),
            answers.importance if answers else None,
            tuple(answers.names) if answers and answers.responses.rug else (),
            bool(metrics_facts.get("relative")),
            members,
        )

    @property
    def inputs(self) -> tuple[config.Input, ...]:
        """The inputs of the experiment, or of all that it joins."""
        return tuple(dict.fromkeys(wanted for part in (self.experiment, *self.members) for wanted in part.inputs))

    @property
    def train(self) -> pd.Series:
        """Summary of the training surveys."""
        return self.parts.loc[self.surveys["train"]]


def count(number: float, noun: str) -> str:
    """``3 folds``, ``1 fold``."""
    return f"{number:,.0f} {noun}{'' if number == 1 else 's'}"


def summary(surveys: Path, train: str) -> tuple[pd.DataFrame, np.ndarray]:
    """What the survey tables say of each part of a dataset.

    surveys : folder of the survey tables; train : the part that is trained on
    returns : frame with index dataset and the columns surveys, west, south, east, north (degrees), first_year,
        last_year, uncertainty_m, area_m2 (medians; NaN where none is known), countries (text), crs (EPSG codes, text);
        and the number of training surveys per species that occurs in them
    """
    table = storage.read_table(Path(surveys) / "surveys", "surveys", columns=list(_SUMMARISED))
    rows, counts = {}, np.zeros(0, np.int64)
    for name in pc.unique(table["dataset"]).to_pylist():
        part = table.filter(pc.equal(table["dataset"], name))
        frame = part.drop(["species"]).to_pandas()
        year = frame["year"].dropna()
        rows[name] = {
            "surveys": len(frame),
            "west": frame["lon"].min(),
            "south": frame["lat"].min(),
            "east": frame["lon"].max(),
            "north": frame["lat"].max(),
            "first_year": year.min() if len(year) else np.nan,
            "last_year": year.max() if len(year) else np.nan,
            "uncertainty_m": _median(frame["geoUncertaintyInM"]),
            "area_m2": _median(frame["areaInM2"]),
            "countries": ", ".join(sorted(frame["country"].dropna().unique())),
            "crs": ", ".join(f"EPSG:{code}" for code in sorted(frame["crs"].dropna().astype(int).unique())),
        }
        if name == train:
            counts = _per_species(part["species"])
    return pd.DataFrame.from_dict(rows, orient="index"), counts


def _median(values: pd.Series) -> float:
    """NaN where none is known, without numpy's warning."""
    known = values.dropna()
    return float(known.median()) if len(known) else np.nan


def _per_species(lists: pa.ChunkedArray) -> np.ndarray:
    species = pc.list_flatten(lists).to_numpy()
    return np.unique(species, return_counts=True)[1]
