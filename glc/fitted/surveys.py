"""The surveys of a fitted experiment as one file: places, folds and labels."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from glc import labels
from glc.atlas import Grid
from glc.errors import DataError
from glc.surveys import SurveyData

_LABELS, _GRID = "species", "grid"
_COLUMNS = ("dataset", "surveyId", "lon", "lat", "fold", _LABELS)
_FACTS = ("train_name", "test_name", "held_out", "relative", "widens")


def write(data: SurveyData, path: Path) -> None:
    """Write the surveys, whose test rows have no labels, to the parquet file `path`."""
    table = pa.Table.from_pandas(data.places, preserve_index=False)
    labelled = data.label_matrix.copy()
    if data.held_out:  # fitted to everything else
        hidden = np.ones(len(data.places), np.float32)
        hidden[data.test] = 0
        labelled = labelled.multiply(hidden[:, None]).tocsr().astype(bool)
        labelled.eliminate_zeros()
    table = table.append_column(_LABELS, labels.to_lists(labelled, data.species))
    facts = {name: str(getattr(data, name)) for name in _FACTS}
    if data.grid is not None:
        facts[_GRID] = json.dumps(asdict(data.grid))
    pq.write_table(table.replace_schema_metadata(facts), path, compression="zstd")


def read(path: Path, species: np.ndarray) -> SurveyData:
    """Read what `write` wrote.

    path : the parquet file
    species : (m,) ids of all species, ascending
    """
    table = pq.read_table(path)
    if missing := [name for name in _COLUMNS if name not in table.column_names]:
        raise DataError(f"{path}: found no column {missing[0]!r}, expected {', '.join(_COLUMNS)}; save it again")
    facts = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    places: pd.DataFrame = table.drop([_LABELS]).to_pandas()
    matrix = labels.to_matrix(table[_LABELS], species)
    return SurveyData(
        places,
        species,
        matrix,
        facts["train_name"],
        facts["test_name"],
        held_out=facts["held_out"] == str(True),
        relative=facts["relative"] == str(True),
        widens=facts["widens"] == str(True),
        grid=Grid(**json.loads(facts[_GRID])) if _GRID in facts else None,
    )
