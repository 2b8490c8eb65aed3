"""Surveys of ``virtual:glc24`` in memory, without its files: what several stages of the bench read."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import sparse

from glc import geo
from glc.surveys import SurveyData
from glc.world import SIZES, World, metadata, places, species

WORLD = SIZES["glc24"]
QUERIES, SOURCES = "queries.parquet", "sources.parquet"


def surveys(scale: float, world: World = WORLD) -> pd.DataFrame:
    """The surveys' keys and places: dataset, surveyId, lon, lat, and group -1.

    scale : of the numbers of surveys, in the same area
    """
    sizes = {name: max(int(getattr(world, name) * scale), 8) for name in ("n_pa", "n_test", "n_po_surveys")}
    world = dataclasses.replace(world, **sizes)
    parts = zip(("po", "pa_train", "pa_test"), (places.po(world), *places.pa(world)), strict=True)
    frames = [part.assign(dataset=name)[["dataset", "surveyId", "lon", "lat"]] for name, part in parts]
    return pd.concat(frames, ignore_index=True).assign(group=np.int32(-1))


def write_surveys(folder: Path, queries: pd.DataFrame, sources: pd.DataFrame) -> None:
    """Write what a stage of neighbours reads: `QUERIES` and `SOURCES` in `folder`."""
    for name, frame in ((QUERIES, queries), (SOURCES, sources)):
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), folder / name, compression="zstd")


def labelled(scale: float, world: World = WORLD) -> SurveyData:
    """The presence-absence training surveys with their species.

    scale : share of the surveys that is drawn; the species stay
    """
    train, _ = places.pa(world)
    niches = species.niches(world)
    rows, ids, _ = metadata.presences(world, train, niches)
    known = np.sort(niches.ids).astype(np.int32)
    shape = (len(train), len(known))
    matrix = sparse.csr_matrix((np.ones(len(rows), bool), (rows, np.searchsorted(known, ids))), shape)
    drawn = np.sort(np.random.default_rng(0).permutation(len(train))[: max(int(len(train) * scale), 8)])
    frame = train.iloc[drawn].reset_index(drop=True).assign(dataset="pa_train", crs=np.int32(3035))
    frame["easting"], frame["northing"] = geo.project(frame["lon"], frame["lat"])
    frame["block"] = geo.block_ids(frame["easting"], frame["northing"], world.block_m)
    frame["fold"] = (frame["block"] % 10).astype(np.int32)
    return SurveyData(frame, known, matrix[drawn], "pa_train", "pa_test", held_out=False)
