"""A fitted experiment, read from its folder: scores, species sets and a table for any place."""

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import ArrayLike
from scipy import sparse

from glc import config, registry, storage
from glc.applicability import area
from glc.applicability.area import Applicability
from glc.applicability.space import COORDINATES, EMBEDDING
from glc.errors import DataError
from glc.fitted import layout, surveys
from glc.fitted.places import Surroundings
from glc.fitted.scorers import PlaceScorer, open_scorer
from glc.prediction import decode, ranking
from glc.prediction.correction import correct
from glc.prediction.decided import Decided
from glc.types import Facts, StrPath

if TYPE_CHECKING:
    from glc.fitted.inputs import InputsAt, Reader

_LISTED = 25
"""Species that a prediction lists at least, if as many have a score."""


class FittedExperiment:
    """An experiment as it was fitted to a dataset, ready to predict.

    folder : ``ROOT/models/<dataset>/<experiment>``, or a copy of it
    imagery_folder : rasters, images and time series, searched before the folders that were used for the fit
    A DataError names what the folder lacks, a DamagedError the file that is not what was saved.
    """

    def __init__(self, folder: StrPath, imagery_folder: StrPath = "") -> None:
        self.folder, self.imagery_folder = Path(folder), str(imagery_folder)
        path = self.folder / layout.FACTS
        storage.bring(self.folder)
        if not path.is_file():
            raise DataError(
                f"{folder}: no fitted experiment ({layout.FACTS} is missing); make one with: luigi --module glc.tasks "
                "Model --experiment NAME --dataset DATASET"
            )
        if not storage.exists(self.folder):
            raise DataError(
                f"{folder}: {storage.MANIFEST} is missing, by which its files are checked: this is a part of a fitted "
                "experiment; copy the whole folder again"
            )
        storage.check(self.folder)  # files that were changed or copied in part would give other predictions
        with layout.reading(path):
            self.facts: Facts = json.loads(path.read_text(encoding="utf-8"))
            if self.facts["format"] != layout.FORMAT:
                raise DataError(
                    f"{path}: found format {self.facts['format']}, expected {layout.FORMAT}: it was saved by glc "
                    f"{self.facts['glc']}; save it again with this version"
                )
            if missing := [name for name in ("dataset", "experiment", "relative") if name not in self.facts]:
                raise DataError(f"{path}: the key {missing[0]!r} is missing; save the experiment again")
        with layout.reading(self.folder / layout.SPECIES):
            self.species: pd.DataFrame = pq.read_table(self.folder / layout.SPECIES).to_pandas()
            species = self.species[["speciesId", "name"]]["speciesId"].to_numpy(np.int32)
        with layout.reading(self.folder / layout.SURVEYS):
            self.data = surveys.read(self.folder / layout.SURVEYS, species)
        with layout.reading(self.folder / layout.SCORER):
            self._scorer = open_scorer(self.folder / layout.SCORER, self.data)
        self.settings: config.Experiment = self._scorer.settings

    @property
    def name(self) -> str:
        """The experiment's name."""
        return self.settings.name

    @property
    def relative(self) -> bool:
        """Whether only presence-only records trained it: scores are a relative suitability, and there are no sets."""
        return bool(self.facts["relative"])

    @property
    def imagery_folders(self) -> list[str]:
        """Folders of imagery, in the order in which they are searched."""
        own = [folder for scorer in self._parts for folder in scorer.inputs.get("folders", [])]
        return list(dict.fromkeys([*([self.imagery_folder] if self.imagery_folder else []), *own]))

    @property
    def _parts(self) -> list[PlaceScorer]:
        return self._scorer.members or [self._scorer]

    @cached_property
    def surroundings(self) -> Surroundings:
        """The training surveys around any place."""
        return Surroundings(self.data)

    def places(
        self, lon: ArrayLike, lat: ArrayLike, date: ArrayLike | None = None, survey_ids: ArrayLike | None = None
    ) -> pd.DataFrame:
        """Places as the models read them; see `glc.fitted.places.Surroundings.places`."""
        return self.surroundings.places(lon, lat, date, survey_ids)

    def inputs(self, places: pd.DataFrame, allow_missing: bool = False) -> "Mapping[str, InputsAt]":
        """What the models read at places besides the coordinates, by the experiment's name; empty if they read nothing.

        places : frame of `places`
        allow_missing : predict with training means where no place has any imagery, instead of raising a DataError
        """
        return {name: reader.read(places, allow_missing) for name, reader in self._readers.items()}

    @cached_property
    def _readers(self) -> "dict[str, Reader]":
        from glc.fitted.inputs import Reader

        folders = [self.imagery_folder] if self.imagery_folder else []
        known = self.data.places.loc[
            self.data.places["dataset"].isin([self.data.train_name, *self.data.test_names]),
            ["dataset", "surveyId", "lon", "lat"],
        ]
        with layout.reading(self.folder / layout.SCORER):
            return {
                scorer.settings.name: Reader(scorer.inputs, folders, surveys=known, model_folder=scorer.folder)
                for scorer in self._parts
                if scorer.inputs
            }

    def scores(
        self, places: pd.DataFrame, values: "Mapping[str, InputsAt] | None" = None, fold: int | None = None
    ) -> sparse.csr_matrix:
        """Scores of places: (n, species) CSR float32, columns as the rows of `species`, at most ``scores.keep`` each.

        places : frame of `places`; up to some 10,000 at a time
        values : of `inputs`, possibly changed; None: read here
        fold : a validation fold, whose labels the model must not have seen; None: what scores the test
        """
        values = self.inputs(places) if values is None else values
        if not len(places):
            return sparse.csr_matrix((0, len(self.species)), dtype=np.float32)
        self._scorer.want(self._applicability.components if self._applicability else {})
        return self._scorer.scores(places, values, fold)

    def decide(self, scores: sparse.csr_matrix, places: pd.DataFrame) -> Decided:
        """What `sets` and `expected_species` say, from one ranking of `scores` at `places`."""
        ranked = ranking.rank(scores)
        return Decided(ranked, self._sets(ranked, scores.shape, places), self._expected(ranked))

    def sets(self, scores: sparse.csr_matrix, places: pd.DataFrame) -> sparse.csr_matrix:
        """The decided species sets, boolean CSR, of `scores` at `places`; empty for a model that has none."""
        return self._sets(ranking.rank(scores), scores.shape, places)

    def expected_species(self, scores: sparse.csr_matrix) -> np.ndarray:
        """Expected number of species, (n,): the sum of presence probabilities, calibrated on validation surveys."""
        return self._expected(ranking.rank(scores))

    def _sets(self, ranked, shape, places):
        if self.relative or not len(places):
            return sparse.csr_matrix(shape, dtype=bool)
        decided = decode.decide(self._decoder, ranked, shape)
        choice = self.settings.postprocess
        if choice.name != "none":
            member = registry.corrections.get(choice.name)
            wider, rows = self.data.with_places(places)
            added, _ = member(config.options(member, choice, "postprocess")).species(wider, None, rows)
            decided = correct(decided, added)
        return decided

    @cached_property
    def _decoder(self) -> decode.Decoder:
        with layout.reading(self.folder / layout.DECODER):
            return decode.restore(self.settings.decode, self.folder / layout.DECODER)

    @cached_property
    def _calibration(self) -> decode.ExpectedF1:
        with layout.reading(self.folder / layout.CALIBRATION):
            return decode.restore(config.Choice("expected_f1"), self.folder / layout.CALIBRATION)

    def _expected(self, ranked):
        if self.relative:
            return np.full(len(ranked.lengths), np.nan)
        # scores that fall are calibrated several times as fast as scores in any order
        chances = self._calibration.probabilities(ranked.values)
        return np.bincount(np.repeat(np.arange(len(ranked.lengths)), ranked.lengths), chances, len(ranked.lengths))

    def training_distance_m(self, places: pd.DataFrame) -> np.ndarray:
        """Great-circle metres (n,) to the nearest training survey."""
        return self.surroundings.nearest(places["lon"], places["lat"])[0][:, 0]

    def applicability(self, places: pd.DataFrame, values: "Mapping[str, InputsAt] | None" = None) -> pd.DataFrame:
        """Where the model may be trusted.

        places, values : as of `scores`
        returns : frame (n) of dissimilarity, inside (boolean), distance_to_training_m and expected_f1; missing where
            the model has no area of applicability, where none of a place's predictors is known and, for expected_f1,
            where validation covers no place as dissimilar and as far (`glc.applicability.area.Applicability.at`)
        """
        count = len(places)
        distance_m = self.training_distance_m(places) if count else np.zeros(0)
        frame = pd.DataFrame(
            {
                "dissimilarity": np.full(count, np.nan),
                "inside": pd.array([pd.NA] * count, "boolean"),
                "distance_to_training_m": distance_m,
                "expected_f1": np.full(count, np.nan),
            }
        )
        if self._applicability is None or not count:
            return frame
        at = self._applicability.at(self._predictors(places, values), distance_m)
        known = at["dissimilarity"].notna()
        return frame.assign(
            dissimilarity=at["dissimilarity"],
            inside=at["inside"].astype("boolean").where(known),
            expected_f1=np.nan if self.relative else at["expected_f1"],
        )

    @cached_property
    def _applicability(self) -> Applicability | None:
        path = self.folder / area.FILE
        with layout.reading(path):
            return area.load(path) if path.is_file() else None

    def _predictors(self, places, values):
        """The predictors of dissimilarity at places: coordinates, columns of tables, or embeddings by the nets."""
        if self._applicability.kind == COORDINATES:
            return places[["lon", "lat"]]
        values = self.inputs(places) if values is None else values
        if self._applicability.kind == EMBEDDING:
            self._scorer.want(self._applicability.components)
            return self._scorer.embeddings(places, values)
        tables = [frame for at in values.values() for frame in at.tables.values()]
        columns = {name: frame[name].to_numpy() for frame in tables for name in frame.columns}
        return pd.DataFrame(columns, index=range(len(places)))

    def predict(
        self,
        lon: ArrayLike,
        lat: ArrayLike,
        date: ArrayLike | None = None,
        survey_ids: ArrayLike | None = None,
        *,
        allow_missing: bool = False,
        most: int = _LISTED,
    ) -> pd.DataFrame:
        """Predict the species of places.

        lon, lat : (n,) degrees, EPSG:4326
        date : (n,) or one; None: the latest year of the training surveys
        survey_ids : (n,) ids by which imagery is looked up
        allow_missing : predict with training means where no place has any imagery
        most : species listed per place, at least as many as are in its set
        returns : frame (n) of lon, lat; species: ids, best first; probability: their scores; predicted: ids of the
            set, best first; expected_species; distance_to_training_m; dissimilarity and inside, of the area of
            applicability; missing: names of inputs without a value
        """
        places = self.places(lon, lat, date, survey_ids)
        return self.table(places, self.inputs(places, allow_missing), most)

    def table(self, places: pd.DataFrame, values: "Mapping[str, InputsAt]", most: int = _LISTED) -> pd.DataFrame:
        """What `predict` returns, of `places` with the inputs `values`."""
        decided = self.decide(self.scores(places, values), places)
        row, column, score, member = ranking.best(decided.ranked, decided.sets, most)
        species = self.species["speciesId"].to_numpy()[column]
        starts = np.arange(1, len(places))
        every, of_set = np.searchsorted(row, starts), np.searchsorted(row[member], starts)
        missing = [", ".join(names) for names in self._missing(places, values)]
        trust = self.applicability(places, values)
        return pd.DataFrame(
            {
                "lon": places["lon"].to_numpy(),
                "lat": places["lat"].to_numpy(),
                "species": _lists(species, every, len(places)),
                "probability": _lists(score.astype(np.float32), every, len(places)),
                "predicted": _lists(species[member], of_set, len(places)),
                "expected_species": decided.expected_species,
                "distance_to_training_m": trust["distance_to_training_m"],
                "dissimilarity": trust["dissimilarity"],
                "inside": trust["inside"],
                "missing": missing,
            }
        )

    def _missing(self, places, values):
        names = [[] for _ in range(len(places))]
        for at in values.values():
            for name in at.missing.columns:
                for row in np.flatnonzero(at.missing[name]):
                    names[row].append(name)
        return names


def _lists(values, starts, count):
    return pd.Series(np.split(values, starts) if count else [], range(count), object)


def load(folder: StrPath, imagery_folder: StrPath = "") -> FittedExperiment:
    """The fitted experiment in a folder; see `FittedExperiment`."""
    return FittedExperiment(folder, imagery_folder)
