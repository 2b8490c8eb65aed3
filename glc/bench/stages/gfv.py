"""Graph feature vectors of all presence-absence surveys (Tighnari 2024, section 3.2)."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from glc import geo
from glc.bench.glc24 import labelled
from glc.bench.stage import Facts, Stage, Way
from glc.errors import DataError
from glc.neighbours import gfv
from glc.surveys import SurveyData

_PLACES, _SPECIES, _LABELS, _VECTORS = "places.parquet", "species.npy", "labels.npz", "vectors.npz"
_NODES = 2_000
_KM = 10.0


def prepare(folder: Path, scale: float) -> None:
    """Write the training surveys with their species."""
    write(folder, labelled(scale))


def write(folder: Path, data: SurveyData) -> None:
    """Write what the ways read."""
    data.places.to_parquet(folder / _PLACES)
    np.save(folder / _SPECIES, data.species)
    sparse.save_npz(folder / _LABELS, data.label_matrix)


def _read(folder: Path) -> SurveyData:
    places, labels = pd.read_parquet(folder / _PLACES), sparse.load_npz(folder / _LABELS)
    return SurveyData(places, np.load(folder / _SPECIES), labels, "pa_train", "pa_test", held_out=False)


def graph_and_product(folder: Path, out: Path) -> Facts:
    """`glc.neighbours.gfv`: edges from KD-trees by year and region, vectors as a product of sparse matrices."""
    vectors = gfv.vectors(_read(folder), None, options=gfv.Options(normalise="none"))
    sparse.save_npz(out / _VECTORS, vectors.matrix, compressed=False)
    return {"rows": vectors.matrix.shape[0]}


def double_loop(folder: Path, out: Path) -> Facts:
    """Algorithm 1: each of the first nodes with each other node."""
    data = _read(folder)
    places = data.places
    nodes = min(_NODES, len(places))
    year, region = places["year"].tolist(), places["region"].tolist()
    lon, lat = (np.radians(places[axis].to_numpy(float)).tolist() for axis in ("lon", "lat"))
    vectors = np.zeros((nodes, len(data.species)), np.float32)
    for i in range(nodes):
        degree, weights, near = 0.0, [], []
        for j in range(len(places)):
            if i == j or year[i] != year[j] or region[i] != region[j]:
                continue
            h = math.sin((lat[j] - lat[i]) / 2) ** 2
            h += math.cos(lat[i]) * math.cos(lat[j]) * math.sin((lon[j] - lon[i]) / 2) ** 2
            km = 2 * geo.EARTH_RADIUS_M / 1_000 * math.asin(math.sqrt(h))
            if km < _KM:
                degree += _KM - km
                weights.append(_KM - km)
                near.append(j)
        if near:
            vectors[i] = (np.array(weights) @ data.label_matrix[near].toarray()) / math.sqrt(degree)
    sparse.save_npz(out / _VECTORS, sparse.csr_matrix(vectors), compressed=False)
    return {"rows": nodes, "share": nodes / len(places)}


def check(folder: Path, results: Mapping[str, Path]) -> None:
    """The loop's nodes have the same vectors."""
    ours, loop = (sparse.load_npz(path / _VECTORS) for path in results.values())
    # distances are rounded to millimetres, which matters at the end of the radius
    difference = abs(ours[: loop.shape[0]] - loop).max()
    if difference > 0.01:
        raise DataError(f"gfv: vectors differ by up to {difference:g}; expected less than 0.01")


STAGE = Stage(
    title="graph vectors of 88,987 nodes × 11,255 species",
    wanted="less than 60 s and 8 GB",
    prepare=prepare,
    ways=(Way("glc", graph_and_product), Way("double loop of the paper, 2,000 nodes", double_loop)),
    check=check,
)
