"""The surveys of a dataset in memory: places, labels, and who is training, validation or test.

This is the one place that says which labels a model may see: `train(fold)` never holds a survey of that fold, of a
held-out test fold, or of the test set.
"""

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import sparse

from glc import labels, schema, storage
from glc.atlas import Grid
from glc.errors import DataError
from glc.types import StrPath

TEST = -1
"""The fold of test surveys, held out or the dataset's own."""


@dataclass(frozen=True)
class SurveyData:
    """All surveys of a dataset.

    places : frame of schema ``surveys`` without the labels, plus `fold` (int32, the validation fold of a training
        survey; -1 for presence-only surveys and the test) and `block` (int64, its spatial block)
    species : (m,) int32, the sorted ids of all species in training labels, presence-only ones included
    label_matrix : (n, m) boolean CSR; rows of the dataset's own test set are empty
    train_name, test_name, held_out : datasets that are trained and tested on; whether the test is a held-out fold.
        Of an edition with several tests, `test_name` is what their names begin with (``pa_test`` of pa_test_ood)
    relative : whether the dataset has presence-only records alone, of which nobody listed all species of a place:
        scores are relative suitability, and no set of species can be right or wrong
    widens : whether records add over all of their uncertainty where an experiment does not say (the edition's)
    grid : of an atlas, where the places are the middles of its squares (`in_squares`)
    """

    places: pd.DataFrame
    species: np.ndarray
    label_matrix: sparse.csr_matrix
    train_name: str
    test_name: str
    held_out: bool
    relative: bool = False
    widens: bool = False
    grid: Grid | None = None

    @cached_property
    def _trainable(self) -> np.ndarray:
        return ((self.places["dataset"] == self.train_name) & (self.places["fold"] != TEST)).to_numpy()

    def train(self, fold: int | None = None) -> np.ndarray:
        """Row numbers of the training surveys that a model of `fold` may see (None: all of them)."""
        rows = np.flatnonzero(self._trainable)
        return rows if fold is None else rows[self.places["fold"].to_numpy()[rows] != fold]

    def valid(self, fold: int) -> np.ndarray:
        """Row numbers of the validation surveys of `fold`."""
        rows = np.flatnonzero(self._trainable)
        return rows[self.places["fold"].to_numpy()[rows] == fold]

    @cached_property
    def test(self) -> np.ndarray:
        """Row numbers of the test surveys, in order of surveyId; several tests follow each other."""
        if self.held_out:
            inside = (self.places["dataset"] == self.train_name) & (self.places["fold"] == TEST)
        else:
            inside = self.places["dataset"].isin(self.test_names)
        return np.flatnonzero(inside.to_numpy())

    @cached_property
    def test_names(self) -> list[str]:
        """Names of the datasets that are tested on: `test_name`, or those of several tests."""
        return sorted(name for name in self.places["dataset"].unique() if schema.is_test(name, self.test_name))

    @cached_property
    def tests(self) -> dict[str, np.ndarray]:
        """Name of each test -> which of `test` are its surveys, (k,) positions.

        A dataset with one test, or a held-out one, has only ``test``; otherwise they are called ``test_ood`` and so on.
        Two tests may share a surveyId.
        """
        if self.held_out or not self.test_names:
            return {"test": np.arange(len(self.test))}
        names = self.places["dataset"].to_numpy()[self.test]
        return {f"test{name[len(self.test_name) :]}": np.flatnonzero(names == name) for name in self.test_names}

    @cached_property
    def presence_only(self) -> np.ndarray:
        """Row numbers of the presence-only surveys; none where those are what the dataset trains on."""
        if self.train_name == "po":
            return np.zeros(0, int)
        return np.flatnonzero((self.places["dataset"] == "po").to_numpy())

    def labelled(self, source: str, fold: int | None = None) -> np.ndarray:
        """Row numbers of the labelled surveys of a source that a model of `fold` may see (None: all of them).

        source : train, or po. Where there are presence-only records alone, they are po and none is train: to learn
            from ``train`` means from surveys that list all species
        """
        if self.relative:
            source = {"po": "train", "train": "po"}[source]
        return self.train(fold) if source == "train" else self.presence_only

    def labels_of(self, rows: np.ndarray) -> sparse.csr_matrix:
        """Labels of `rows`, boolean CSR over `species`."""
        return self.label_matrix[rows]

    def in_squares(self, grid: Grid) -> "SurveyData":
        """These surveys, the place of each being the middle of its square."""
        return dataclasses.replace(self, places=grid.moved(self.places), grid=grid)

    def with_places(self, places: pd.DataFrame, fold: int = TEST) -> "tuple[SurveyData, np.ndarray]":
        """These surveys and `places`, without labels, after them; and the row numbers (n,) of those.

        places : frame with the columns of `places`; ids get negative numbers that no survey has
        fold : the validation fold that the places are taken for; -1: they are test surveys
        """
        start, count = len(self.places), len(places)
        least = min(0, int(self.places["surveyId"].min()) if start else 0)
        asked = places.assign(
            dataset=self.train_name if self.held_out or fold != TEST else self.test_name,
            surveyId=least - 1 - np.arange(count),
            fold=np.full(count, fold, self.places["fold"].dtype),
        )
        both = pd.concat([self.places, asked[self.places.columns]], ignore_index=True)
        empty = sparse.csr_matrix((count, len(self.species)), dtype=bool)
        labels = sparse.vstack([self.label_matrix, empty], format="csr", dtype=bool)
        wider = dataclasses.replace(self, places=both, label_matrix=labels)
        return wider, np.arange(start, start + count)

    def rows_of(self, surveys: np.ndarray, dataset: str) -> np.ndarray:
        """Row numbers of survey ids of one dataset, (n,); a DataError tells of ids that it lacks."""
        rows = np.flatnonzero((self.places["dataset"] == dataset).to_numpy())
        known = self.places["surveyId"].to_numpy()[rows]
        order = np.argsort(known)
        at = np.searchsorted(known[order], surveys)
        if (at >= len(known)).any() or (known[order][np.minimum(at, len(known) - 1)] != surveys).any():
            raise DataError(f"some surveys are not of the dataset {dataset!r}; score and evaluate with the same data")
        return rows[order[at]]


def read(surveys_folder: StrPath, folds_folder: StrPath) -> SurveyData:
    """Read a surveys output and its folds into SurveyData, without the labels that repeat a survey."""
    facts = storage.manifest(surveys_folder)
    table = storage.read_table(Path(surveys_folder) / "surveys", "surveys")
    species = labels.vocabulary(table["species"])
    matrix = labels.to_matrix(table["species"], species)
    places = table.drop(["species"]).to_pandas()
    repeats = Path(folds_folder) / "repeats"
    if repeats.is_dir():
        left_out = storage.read_table(repeats, "repeats")
        places, species, matrix = _without(left_out, places, species, matrix)
    folds = storage.read_table(folds_folder, "folds").to_pandas().set_index("surveyId")
    training = (places["dataset"] == facts["train"]).to_numpy()
    own = folds.reindex(places["surveyId"].to_numpy()[training])
    for column, absent, kind in (("fold", TEST, np.int32), ("block", 0, np.int64)):
        values = np.full(len(places), absent, kind)
        values[training] = own[column].to_numpy()
        places[column] = values
    return SurveyData(
        places,
        species,
        matrix,
        facts["train"],
        facts["test"],
        held_out=bool(storage.manifest(folds_folder)["held_out"]),
        relative=bool(facts.get("presence_only")),
        widens=facts["widens"],
    )


def _without(
    left_out: pa.Table, places: pd.DataFrame, species: np.ndarray, matrix: sparse.csr_matrix
) -> tuple[pd.DataFrame, np.ndarray, sparse.csr_matrix]:
    """Places, species and labels less those of a table of schema ``repeats``, and surveys that then have none."""
    index = pd.MultiIndex.from_frame(places[["dataset", "surveyId"]])
    rows = index.get_indexer(pd.MultiIndex.from_frame(left_out.select(["dataset", "surveyId"]).to_pandas()))
    lost = labels.to_matrix(left_out["species"], species).tocoo()
    hidden = sparse.csr_matrix((lost.data, (rows[lost.row], lost.col)), shape=matrix.shape, dtype=bool)
    matrix = (matrix > hidden).tocsr()
    kept = np.ones(len(places), bool)
    kept[rows] = matrix[rows].getnnz(axis=1) > 0
    matrix = matrix[kept]
    known = matrix.getnnz(axis=0) > 0  # what only a repetition of the test shows is not known
    return places[kept].reset_index(drop=True), species[known], matrix[:, known]


def read_species(surveys_folder: StrPath) -> pd.DataFrame:
    """Species of a surveys output: a frame speciesId (ascending), name and key (text or None)."""
    frame = storage.read_table(Path(surveys_folder) / "species", "species").to_pandas()
    texts = frame[["name", "key"]].astype(object)
    return frame.assign(**texts.where(texts.notna(), None))


def read_survey_names(surveys_folder: StrPath) -> pd.DataFrame | None:
    """Ids of surveys as the files write them, a frame dataset, surveyId, name; None where they are numbers."""
    folder = Path(surveys_folder) / "survey_names"
    return storage.read_table(folder, "survey_names").to_pandas() if folder.is_dir() else None
