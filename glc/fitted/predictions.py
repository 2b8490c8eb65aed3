"""Predictions at places as a table: of a block, and of a whole file of places, block by block."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import ArrayLike

from glc import storage
from glc.fitted import place_checks
from glc.fitted.place_checks import CheckedPlaces, Summary
from glc.fitted.places_file import PlacesFile
from glc.prediction import ranking
from glc.progress import tqdm
from glc.types import Facts

if TYPE_CHECKING:
    from glc.fitted.inputs import InputsAt
    from glc.fitted.load import FittedExperiment

ROWS = 8_192
"""Places predicted at once at most, and found again after an interruption."""
ENTRIES = 8_000_000
"""Scores (place, species) held at once, of which a model and the decoder make several copies: some 500 MB."""
LISTED = 25
"""Species listed per place, and all of the decided set."""
COLUMNS = pa.schema(
    [
        ("species", pa.list_(pa.int32())),  # ids, best first; null where nothing can be predicted
        ("probability", pa.list_(pa.float32())),  # of `species`; relative suitability of presence-only models
        ("predicted", pa.list_(pa.int32())),  # ids of the decided set, best first; null of presence-only models
        ("expected_species", pa.float64()),  # null of presence-only models
        ("distance_to_training_m", pa.float64()),
        ("dissimilarity", pa.float64()),  # null where the model has no area of applicability
        ("inside", pa.bool_()),
        ("missing", pa.string()),  # names of inputs without a value here, separated by commas; empty for none
        ("problem", pa.string()),  # what is wrong with the row
    ]
)
"""What is added to the columns of the places."""


def write(
    fitted: "FittedExperiment",
    places: PlacesFile,
    known: Summary,
    out: Path,
    *,
    parts: Path,
    listed: int = LISTED,
    allow_missing: bool = False,
    rows: int | None = None,
) -> Facts:
    """Predict at every place of a file, a block at a time.

    known : of the file, from `place_checks.summarise`
    out : parquet file to write: the columns of `places`, then `COLUMNS`, a row per row of the file in its order
    parts : folder of finished blocks, which are not predicted again
    listed : species per place; those of the decided set are always listed
    allow_missing : whether places are predicted where all imagery is missing
    rows : of a block; None: as memory has it
    returns : numbers of places by what became of them, for the manifest
    raises : DataError for swapped coordinates and for imagery that is missing everywhere
    """
    training = fitted.data.places.iloc[fitted.data.train()]
    place_checks.check_not_swapped(places, known, training["lon"].to_numpy(), training["lat"].to_numpy())
    sample = fitted.places(known.sample["lon"], known.sample["lat"], survey_ids=_ids(known.sample["surveyId"]))
    fitted.inputs(sample, allow_missing=allow_missing)  # of all places together: one block may well lack all imagery
    parts.mkdir(parents=True, exist_ok=True)
    rows = rows or int(np.clip(ENTRIES // len(fitted.species), 64, ROWS))
    count = -(-known.rows // rows)
    files = [parts / f"part-{number:06}.parquet" for number in range(count)]
    with tqdm(total=known.rows, desc="predicting", unit="place") as bar:
        for file, block in zip(files, places.blocks(rows), strict=True):
            if not file.is_file():
                with storage.atomic_file(file) as path:
                    pq.write_table(predict_rows(fitted, block, known, listed), path, compression="zstd")
            bar.update(block.num_rows)
    inside, missing = 0, 0
    with pq.ParquetWriter(out, pq.read_schema(files[0]), compression="zstd") as writer:
        for file in files:
            table = pq.read_table(file)
            inside += int(np.asarray(table["inside"].fill_null(False)).sum())
            missing += int(pc.sum(pc.not_equal(table["missing"], "")).as_py() or 0)
            writer.write_table(table)
    return {
        "places": known.rows,
        "predicted": known.usable,
        "problems": dict(known.counts),
        "inside": inside,
        "missing_inputs": missing,
    }


def predict_rows(fitted: "FittedExperiment", table: pa.Table, known: Summary, listed: int) -> pa.Table:
    """The rows of a file of places with `COLUMNS`; those that cannot be used have nulls and their problem."""
    checked = place_checks.check_rows(table)
    usable = np.flatnonzero(checked.usable)
    made = at_rows(fitted, checked, usable, listed, allow_missing=True).table if len(usable) else COLUMNS.empty_table()
    at = np.full(table.num_rows, -1)
    at[usable] = np.arange(len(usable))
    taken = made.take(pa.array(at, mask=at < 0))
    problem = pa.array(checked.problem, pa.string())
    taken = taken.set_column(len(COLUMNS) - 1, COLUMNS.field("problem"), problem)
    given = place_checks.cast(table, known.types)
    return pa.table([*given.columns, *taken.columns], names=[*given.column_names, *COLUMNS.names])


@dataclass(frozen=True)
class Prediction:
    """What is predicted at places, and from what.

    table : of `COLUMNS`, without problems
    trust : of `FittedExperiment.applicability`
    places, values : of `FittedExperiment.places` and `inputs`
    """

    table: pa.Table
    trust: pd.DataFrame
    places: pd.DataFrame
    values: "Mapping[str, InputsAt]"


def at_rows(
    fitted: "FittedExperiment", checked: CheckedPlaces, rows: ArrayLike, listed: int, allow_missing: bool
) -> Prediction:
    """Predictions at the places in `rows` of checked ones.

    rows : (n,) numbers of rows with usable places
    listed, allow_missing : as of `write`
    """
    rows = np.asarray(rows)
    places = fitted.places(
        checked.lon[rows],
        checked.lat[rows],
        date=checked.date[rows],
        survey_ids=_ids(checked.survey_id[rows]),
    )
    values = fitted.inputs(places, allow_missing=allow_missing)
    decided = fitted.decide(fitted.scores(places, values), places)
    ids = fitted.species["speciesId"].to_numpy()
    row, column, score, member = ranking.best(decided.ranked, decided.sets, listed)
    offsets = np.searchsorted(row, np.arange(len(rows) + 1)).astype(np.int32)
    set_offsets = np.searchsorted(row[member], np.arange(len(rows) + 1)).astype(np.int32)
    trust = fitted.applicability(places, values)
    n = len(rows)
    columns = {
        "species": pa.ListArray.from_arrays(offsets, pa.array(ids[column], pa.int32())),
        "probability": pa.ListArray.from_arrays(offsets, pa.array(score, pa.float32())),
        "predicted": pa.nulls(n, pa.list_(pa.int32()))
        if fitted.relative
        else pa.ListArray.from_arrays(set_offsets, pa.array(ids[column[member]], pa.int32())),
        "expected_species": pa.nulls(n, pa.float64()) if fitted.relative else pa.array(decided.expected_species),
        "distance_to_training_m": pa.array(trust["distance_to_training_m"].to_numpy(np.float64)),
        "dissimilarity": pa.array(trust["dissimilarity"].to_numpy(np.float64), from_pandas=True),
        "inside": pa.array(trust["inside"].astype("boolean")),
        "missing": pa.array(_names(missing_inputs(places, values)), pa.string()),
        "problem": pa.nulls(n, pa.string()),
    }
    return Prediction(pa.table(columns, schema=COLUMNS), trust, places, values)


def _ids(given: pd.arrays.IntegerArray | pd.Series) -> np.ndarray | None:
    """Survey ids (n,) of places; those without one get negative numbers, which no survey has; None if all do."""
    lacks = np.asarray(given.isna())
    return None if lacks.all() else np.where(lacks, -1 - np.arange(len(lacks)), given.to_numpy(np.int64, na_value=0))


def missing_inputs(places: pd.DataFrame, values: "Mapping[str, InputsAt]") -> pd.DataFrame:
    """Which inputs have no value at places: frame (n, input) bool; an input of several models is one column."""
    columns: dict[str, np.ndarray] = {}
    for inputs in values.values():
        for name in inputs.missing.columns:
            lacks = inputs.missing[name].to_numpy(bool)
            columns[str(name)] = columns.get(str(name), np.zeros(len(places), bool)) | lacks
    return pd.DataFrame(columns, index=range(len(places)))


def _names(missing: pd.DataFrame) -> list[str]:
    names = np.array(missing.columns, object)
    patterns, number = np.unique(missing.to_numpy(bool).reshape(len(missing), -1), axis=0, return_inverse=True)
    texts = [", ".join(names[pattern]) for pattern in patterns]
    return [texts[at] for at in np.ravel(number)]
