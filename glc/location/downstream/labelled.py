"""Labelled places: dealt to folds, with one fold's labels held back."""

from pathlib import Path

import numpy as np
import pandas as pd

TASKS, QUERY = "location_tasks.parquet", "location_query.parquet"
"""Labelled places, and places of the held-out fold without labels."""
BLOCK_DEG, FOLDS = 10, 5
"""Side of the blocks whose places share a fold, degrees, and folds; the last one's labels are held back."""


def write(frame: pd.DataFrame, rng: np.random.Generator, folder: Path) -> np.ndarray:
    """Deal places to random folds and to folds of whole blocks, and write `TASKS` and `QUERY`.

    frame : lon, lat and labels of each place; gets the columns ``fold_random`` and ``fold_block10``
    rng : deals
    folder : of the files
    returns : (n,) bool, the places with labels
    """
    frame["fold_random"] = (rng.permutation(len(frame)) % FOLDS).astype(np.int8)
    _, block = np.unique(np.floor(frame[["lat", "lon"]].to_numpy() / BLOCK_DEG), axis=0, return_inverse=True)
    frame["fold_block10"] = (rng.permutation(block.max() + 1) % FOLDS).astype(np.int8)[block.ravel()]
    labelled = (frame["fold_block10"] < FOLDS - 1).to_numpy()
    frame[labelled].to_parquet(folder / TASKS, index=False)
    frame.loc[~labelled, ["lat", "lon"]].to_parquet(folder / QUERY, index=False)
    return labelled
