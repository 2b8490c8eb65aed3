"""Weights of predictors from a table of permutation importance."""

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from glc.errors import DataError
from glc.types import StrPath

COLUMN, IMPORTANCE = "column", "mean"


def read(path: StrPath) -> dict[str, float]:
    """Predictor -> its weight, at least 0.

    path : CSV or parquet with the columns `column`, a predictor, and `mean`, by how much the score on held-out blocks
        falls when its values change places; rows without a `column`, those of whole inputs, are left out
    A DataError tells of a file without these columns, or in which nothing is important.
    """
    path = Path(path)
    try:
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a table of importance ({error}); expected CSV or parquet") from None
    lost = [name for name in (COLUMN, IMPORTANCE) if name not in frame.columns]
    if lost:
        raise DataError(f"{path}: no column {lost[0]!r}; found {', '.join(frame.columns)}")
    known = frame[frame[COLUMN].notna() & (frame[COLUMN].astype("string") != "") & frame[IMPORTANCE].notna()]
    importance = known.groupby(known[COLUMN].astype(str))[IMPORTANCE].max().clip(lower=0)
    if not importance.any():
        raise DataError(f"{path}: no predictor has an importance above 0; leave the file out to weight all equally")
    return {str(name): float(value) for name, value in importance.items()}


def of_table(frame: pd.DataFrame, names: Collection[str]) -> dict[str, float] | None:
    """Predictor -> its weight, at least 0, of those in `names`; None where none of them is important.

    frame : with the columns `column` and `mean`, as the file of `read`; rows of other columns, and of whole inputs, are
        left out
    """
    own = frame[frame[COLUMN].isin(list(names)) & frame[IMPORTANCE].notna()]
    importance = own.groupby(own[COLUMN].astype(str))[IMPORTANCE].max().clip(lower=0)
    return {str(name): float(value) for name, value in importance.items()} if importance.any() else None
