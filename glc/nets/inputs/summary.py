"""What is known of a table of examples before it is trained on."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from glc import schema
from glc.errors import DataError
from glc.nets.inputs.features import Moments
from glc.progress import tqdm
from glc.types import StrPath

COLUMNS = schema.TABLES["examples"].names


@dataclass(frozen=True)
class Summary:
    """What is known of an examples table before it is trained on."""

    folder: str
    rows: int
    groups: tuple[int, ...]
    """Rows of each parquet row group, files in the order of their names."""
    width: int
    """Length of the longest species list, at least 1."""
    counts: np.ndarray
    """(class,) int64, examples of each class."""
    place_mean: tuple[float, float]
    """Of (easting, northing), metres."""
    place_std: tuple[float, float]
    inputs: dict[str, Moments] = field(default_factory=dict)
    """Name of each of the net's inputs -> `glc.nets.inputs.features.Moments` over the examples."""


def summarise(folder: StrPath, n_classes: int) -> Summary:
    """Read the examples table in `folder` once, in pieces, and check it against `n_classes`.

    A DataError names the folder and what is wrong: no file, no rows, a missing column, species outside
    0 .. n_classes - 1 or a null list, places or weights that are not finite, a negative weight.
    """
    groups, width, counts = [], 1, np.zeros(n_classes, np.int64)
    places = []  # (rows, mean, sum of squared deviations) of each piece
    for path in tqdm(files(folder), desc="examples", unit="file", leave=False, delay=2):
        file = pq.ParquetFile(path)
        missing = [name for name in COLUMNS if name not in file.schema_arrow.names]
        if missing:
            raise DataError(
                f"{path}: column {missing[0]!r} is missing from an examples table; found {file.schema_arrow.names}"
            )
        for group in range(file.num_row_groups):
            table = schema.check(file.read_row_group(group, columns=COLUMNS), "examples", path)
            groups.append(table.num_rows)
            if table.num_rows:
                width = max(width, pc.max(pc.list_value_length(table["species"])).as_py() or 0)
                counts += _class_counts(table["species"], n_classes, path)
                places.append(_places(table, path))
    if not places:
        raise DataError(f"{folder}: no rows in this examples table; expected at least one example to train on")
    rows, means, squares = (np.array(part) for part in zip(*places, strict=True))
    mean = rows @ means / rows.sum()
    std = np.sqrt((squares + rows[:, None] * (means - mean) ** 2).sum(axis=0) / rows.sum())
    return Summary(str(folder), int(rows.sum()), tuple(groups), width, counts, tuple(mean), tuple(std))


def files(folder: StrPath) -> list[Path]:
    """The parquet files of an examples table in the order of their names; a DataError where there is none."""
    paths = sorted(Path(folder).glob("*.parquet"))
    if not paths:
        raise DataError(f"{folder}: no parquet file of an examples table; run the task that makes it")
    return paths


def _class_counts(species, n_classes, path):
    if species.null_count:
        raise DataError(
            f"{path}: column 'species' has {species.null_count} null lists; expected an empty list where none is known"
        )
    values = species.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    if len(values) and not (values.min() >= 0 and values.max() < n_classes):
        wrong = values[(values < 0) | (values >= n_classes)][0]
        raise DataError(
            f"{path}: column 'species' holds {wrong}, expected class indices 0 to {n_classes - 1}; build the examples "
            "with the vocabulary the net is trained for"
        )
    return np.bincount(values, minlength=n_classes)


def _places(table, path):
    """(rows, mean (2,), sum of squared deviations (2,)) of the places; weights are checked on the way."""
    columns = {name: table[name].to_numpy() for name in ("easting", "northing", "weight")}
    for name, values in columns.items():
        if not np.isfinite(values).all():
            raise DataError(
                f"{path}: column {name!r} has {np.count_nonzero(~np.isfinite(values))} values that are not finite; "
                "leave such surveys out"
            )
    if columns["weight"].min() < 0:
        raise DataError(f"{path}: column 'weight' holds {columns['weight'].min()}, expected 0 or above")
    place = np.column_stack([columns["easting"], columns["northing"]]).astype(np.float64)
    mean = place.mean(axis=0)
    return len(place), mean, ((place - mean) ** 2).sum(axis=0)
