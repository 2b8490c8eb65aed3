"""Pairs of surveys near each other for tile2vec, drawn without ever making the table of all pairs.

All pairs within 100 km of four million surveys would be some 10^11 rows. Surveys are therefore bucketed by cubes of
the unit sphere's space, which has neither poles nor a date line and needs no common projection. For an anchor, a survey
is proposed from all those in cubes that could be in reach, each with the same probability, and accepted if it is: what
is accepted is uniform over the surveys in reach. Few anchors stay without one for long; those are settled by search.
"""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import sparse
from scipy.spatial import cKDTree

from glc import geo, labels, schema
from glc.errors import ConfigError, DataError
from glc.progress import tqdm
from glc.surveys import SurveyData
from glc.types import Facts, MemberOptions

PAIRS, CLASSES = "pairs", "classes.json"
NEIGHBOURS = "neighbour_species"
"""The species of the neighbours, row by row as the pairs."""
SOURCES = ("po", "train")
_CUBES = 4  # edges of a cube in the radius: about half of the proposals are accepted
_ROUNDS = 32  # proposals for an anchor before its neighbours are searched
_AT_ONCE = 4_000_000  # (survey, survey) or (cube, cube) pairs in memory at a time
_ROWS = 65_536


def sample(places, pairs, radius_m, seed, progress=False):
    """Draw pairs (anchor, neighbour) of surveys, with replacement.

    places : frame with lon, lat (degrees) of n surveys
    pairs : number to draw; radius_m : great-circle metres
    returns : (anchor, neighbour, distance_m, facts): three (pairs,) arrays, row numbers in `places` and metres rounded
        to millimetres, and a dict of counts

    The anchor is uniform over all surveys that have a neighbour, the neighbour uniform over all other surveys within
    `radius_m` of it (those at the very place of the anchor too). Anchors without any are counted and drawn again.
    """
    if pairs < 1 or not radius_m > 0:
        raise ConfigError(f"triplets: found pairs={pairs}, radius_m={radius_m}; expected 1 or more, and metres above 0")
    rng = np.random.default_rng(seed)
    grid = _Grid(geo.unit_sphere(places["lon"], places["lat"]), float(radius_m), rng)
    n = len(grid.xyz)
    anchor, neighbour = np.zeros(pairs, np.int64), np.full(pairs, -1, np.int64)
    free, todo, redrawn = np.arange(n), np.arange(pairs), 0
    with tqdm(total=pairs, desc="pairs", unit=" pairs", unit_scale=True, delay=2, disable=not progress) as bar:
        while len(todo):
            if len(free) < 2:  # nobody is in reach of a single one
                raise DataError(
                    f"triplets: none of {n:,} surveys has another within {radius_m:g} m; choose a larger radius_m, or "
                    "more sources"
                )
            anchor[todo] = free[rng.integers(len(free), size=len(todo))]
            neighbour[todo] = grid.draw(anchor[todo], bar)
            todo = todo[neighbour[todo] < 0]
            redrawn += len(todo)
            free = np.setdiff1d(free, anchor[todo], assume_unique=False) if len(todo) else free
    distance = grid.distance(anchor, neighbour)
    return anchor, neighbour, distance, {"anchors_redrawn": redrawn, "surveys_found_alone": n - len(free)}


class _Grid:
    """Points on the unit sphere in cubes, the surveys of a cube behind each other in `members`."""

    def __init__(self, xyz, radius_m, rng):
        self.xyz, self.radius_m, self.rng = xyz, radius_m, rng
        self.reach = float(geo.chord(radius_m + 0.001)) + 1e-12  # distances are rounded to millimetres
        self.edge = self.reach / _CUBES
        at = np.floor(xyz / self.edge).astype(np.int64)
        side = int(np.ceil(1 / self.edge)) + 1
        # two columns sort faster than three, and no radius is so small that they overflow
        order = np.lexsort((at[:, 2] + side, (at[:, 0] + side) * (2 * side + 1) + at[:, 1] + side))
        first = np.ones(len(at), bool)
        first[1:] = (at[order[1:]] != at[order[:-1]]).any(axis=1)
        self.members, self.start = order, np.flatnonzero(first)
        self.count = np.diff(self.start, append=len(order))
        self.cube = np.empty(len(at), np.int64)
        self.cube[order] = np.cumsum(first) - 1
        self.low = at[order[first]]
        self.tree = cKDTree((self.low + 0.5) * self.edge) if len(at) else None
        self._span = self.reach + np.sqrt(3) * self.edge  # centres of cubes that hold places in reach of each other

    def distance(self, anchor, other):
        return np.round(geo.arc(np.linalg.norm(self.xyz[anchor] - self.xyz[other], axis=1)), 3)

    def draw(self, anchor, bar):
        """A uniform neighbour of each anchor, (n,) rows; -1 for those that have none."""
        neighbour = np.full(len(anchor), -1, np.int64)
        order = np.argsort(self.cube[anchor], kind="stable")
        cubes, first = np.unique(self.cube[anchor[order]], return_index=True)
        ends = np.append(first[1:], len(anchor))
        lengths = self.tree.query_ball_point((self.low[cubes] + 0.5) * self.edge, self._span, return_length=True)
        for begin, end in _chunks(lengths):
            rows = order[first[begin] : ends[end - 1]]
            neighbour[rows] = self._draw(anchor[rows], cubes[begin:end], bar)
        return neighbour

    def _draw(self, anchor, cubes, bar):
        start, near = self._near(cubes)
        until = np.cumsum(self.count[near])  # surveys of the lists of cubes, one list behind the other
        ends = until[start[1:] - 1]  # no list is empty: a cube is in reach of itself
        total = np.diff(ends, prepend=0)
        mine = np.searchsorted(cubes, self.cube[anchor])
        neighbour, todo = np.full(len(anchor), -1, np.int64), np.arange(len(anchor))
        for _ in range(_ROUNDS):
            which = mine[todo]
            place = ends[which] - total[which] + self.rng.integers(0, total[which])
            item = np.searchsorted(until, place, side="right")
            proposed = self.members[self.start[near[item]] + until[item] - place - 1]
            accepted = (proposed != anchor[todo]) & (self.distance(anchor[todo], proposed) <= self.radius_m)
            neighbour[todo[accepted]] = proposed[accepted]
            bar.update(int(accepted.sum()))
            todo = todo[~accepted]
            if not len(todo):
                return neighbour
        counts = start[mine[todo] + 1] - start[mine[todo]]
        for begin, end in _chunks(counts):
            part = todo[begin:end]
            neighbour[part] = self._search(
                anchor[part], near[_ranges(start[mine[part]], counts[begin:end])], counts[begin:end]
            )
            bar.update(int((neighbour[part] >= 0).sum()))
        return neighbour

    def _near(self, cubes):
        """Cubes in reach of any place of each of `cubes`, as the bounds of its list (n + 1,) and the lists joined."""
        centres = cKDTree((self.low[cubes] + 0.5) * self.edge)
        pairs = centres.sparse_distance_matrix(self.tree, self._span, output_type="ndarray")
        row, other = pairs["i"], pairs["j"]
        gap = np.maximum(np.abs(self.low[cubes[row]] - self.low[other]) - 1, 0) * self.edge
        keep = np.linalg.norm(gap, axis=1) <= self.reach
        row, other = row[keep], other[keep]
        order = np.lexsort((other, row))  # the same draws in any order that the tree gives
        return np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(cubes)))]), other[order]

    def _search(self, anchor, cube, counts):
        """The same by distances to all surveys of the cubes, `counts` of them for each anchor."""
        owner = np.repeat(np.arange(len(anchor)), counts)
        low = self.low[cube] * self.edge
        gap = self.xyz[anchor[owner]]
        gap = gap - np.clip(gap, low, low + self.edge)
        keep = np.linalg.norm(gap, axis=1) <= self.reach
        owner, cube = owner[keep], cube[keep]
        sizes = np.bincount(owner, self.count[cube], len(anchor)).astype(np.int64)
        bounds = np.searchsorted(owner, np.arange(len(anchor) + 1))
        neighbour = np.full(len(anchor), -1, np.int64)
        for begin, end in _chunks(sizes):
            items = slice(bounds[begin], bounds[end])
            who = np.repeat(owner[items], self.count[cube[items]])
            survey = self.members[_ranges(self.start[cube[items]], self.count[cube[items]])]
            inside = (survey != anchor[who]) & (self.distance(anchor[who], survey) <= self.radius_m)
            who, survey = who[inside], survey[inside]
            numbers = np.bincount(who, minlength=len(anchor))[begin:end]
            have = np.flatnonzero(numbers)
            before = np.cumsum(numbers) - numbers
            neighbour[begin + have] = survey[before[have] + self.rng.integers(0, numbers[have])]
        return neighbour


def surveys(folder: Path) -> np.ndarray:
    """(k, 2) int64 of the surveys in the pairs that `write` wrote to `folder`: number of the dataset, and id."""
    table = pq.read_table(folder / PAIRS, columns=["dataset", "surveyId", "neighbour_dataset", "neighbour_id"])
    pairs = np.stack([column.to_numpy() for column in table.columns], axis=1).astype(np.int64)
    return np.unique(pairs.reshape(-1, 2), axis=0)


def write(
    data: SurveyData, out: Path, options: MemberOptions, fold: int, stop: int | None = None, progress: bool = True
) -> Facts:
    """Write the table ``pairs`` and, when labels are wanted, the class list under `out`; return facts.

    data : `glc.surveys.SurveyData`
    options : of `glc.nets.pretraining.tile2vec.Tile2Vec`: pairs, radius_m, sources, species, species_of,
        species_radius_m, seed
    fold : its validation surveys take no part
    stop : nor do those of this fold, which stops the training early

    The label of an anchor is every species of the source surveys within `species_radius_m` great-circle metres of it
    (Miyaguchi et al. 2024, section 5.2.2); classes are the species of all sources, in order of id. With `species_of`
    ``triplet`` the labels of the neighbours are written too, to ``neighbour_species``.
    """
    rows = _sources(data, options.sources, fold, stop)
    places = data.places.iloc[rows]
    anchor, neighbour, distance, facts = sample(places, options.pairs, options.radius_m, options.seed, progress)
    matrix = owner = None
    facts |= {"surveys": len(rows), "pairs": len(anchor), "distance_m": float(distance.mean())}
    if options.species != "none":
        known = data.labels_of(rows)
        classes = np.flatnonzero(np.asarray(known.sum(axis=0)).ravel())
        if not len(classes):
            raise DataError("triplets: the sources have no species at all; choose species 'none', or other sources")
        both = options.species_of == "triplet"
        distinct, owner = np.unique(np.concatenate([anchor, neighbour]) if both else anchor, return_inverse=True)
        matrix = species_within(places, known[:, classes], distinct, options.species_radius_m, progress)
        if both:
            owner, owner_of_neighbour = np.split(owner, 2)
            _write_neighbours(matrix, owner_of_neighbour, out / NEIGHBOURS)
        (out / CLASSES).write_text(json.dumps([int(s) for s in data.species[classes]]))
        facts |= {"classes": len(classes), "labels": int(np.diff(matrix.indptr)[owner].sum())}
    _write(places, anchor, neighbour, distance, matrix, owner, out / PAIRS)
    return facts | {"anchors": len(np.unique(anchor))}


def species_within(places, matrix, anchors, radius_m, progress=False):
    """Species that occur within `radius_m` great-circle metres of each anchor: boolean CSR (anchor, species).

    places : frame with lon, lat of n surveys; matrix : their labels, boolean CSR (n, species); anchors : rows of both
    """
    xyz = geo.unit_sphere(places["lon"], places["lat"])
    # presence-only surveys often share their coordinates
    spot = places.groupby(["lon", "lat"]).ngroup().to_numpy()
    spots = xyz[np.unique(spot, return_index=True)[1]]
    member = sparse.csr_matrix((np.ones(len(xyz), bool), (spot, np.arange(len(xyz)))), (len(spots), len(xyz)))
    matrix = (member @ matrix.astype(bool)).tocsr()
    tree, reach = cKDTree(spots), float(geo.chord(radius_m + 0.001)) + 1e-12
    wanted, back = np.unique(spot[anchors], return_inverse=True)
    sizes = tree.query_ball_point(spots[wanted], reach, return_length=True)
    parts = [sparse.csr_matrix((0, matrix.shape[1]), dtype=bool)]
    with tqdm(total=len(wanted), desc="labels", unit=" places", delay=2, disable=not progress) as bar:
        for begin, end in _chunks(sizes):
            near = cKDTree(spots[wanted[begin:end]]).sparse_distance_matrix(tree, reach, output_type="ndarray")
            near = near[np.round(geo.arc(near["v"]), 3) <= radius_m]
            pairs = sparse.csr_matrix(
                (np.ones(len(near), bool), (near["i"], near["j"])), (end - begin, len(spots)), dtype=bool
            )
            parts.append(pairs @ matrix)
            bar.update(end - begin)
    return sparse.vstack(parts, format="csr", dtype=bool)[back.ravel()].sorted_indices()


def _sources(data, names, fold, stop):
    unknown = [name for name in names if name not in SOURCES]
    if unknown or not names:
        raise ConfigError(f"triplets: sources: found {names!r}, expected one or both of {SOURCES}")
    parts = []
    for name in dict.fromkeys(names):
        rows = data.labelled(name, fold)
        if (name == "train" or data.relative) and stop is not None:
            rows = rows[data.places["fold"].to_numpy()[rows] != stop]
        if not len(rows):
            raise DataError(f"triplets: the source {name!r} has no survey in this dataset; choose other sources")
        parts.append(rows)
    return np.concatenate(parts)


def _write(places, anchor, neighbour, distance, matrix, owner, folder):
    folder.mkdir(parents=True, exist_ok=True)
    numbers, ids = schema.dataset_numbers(places["dataset"]), places["surveyId"].to_numpy(np.int64)
    columns = {name: places[name].to_numpy() for name in ("lon", "lat", "easting", "northing")}
    with pq.ParquetWriter(folder / "part-0.parquet", schema.TABLES["pairs"], compression="zstd") as file:
        for begin in range(0, len(anchor), _ROWS):
            part = slice(begin, begin + _ROWS)
            own, other = anchor[part], neighbour[part]
            block = matrix[owner[part]] if matrix is not None else sparse.csr_matrix((len(own), 1), dtype=bool)
            table = {"dataset": numbers[own], "surveyId": ids[own]}
            table |= {name: values[own] for name, values in columns.items()}
            table |= {"neighbour_dataset": numbers[other], "neighbour_id": ids[other], "distance_m": distance[part]}
            table |= {"species": labels.to_lists(block, np.arange(block.shape[1]))}
            file.write_table(pa.table(table).cast(schema.TABLES["pairs"]), row_group_size=_ROWS)


def _write_neighbours(matrix, owner, folder):
    folder.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(folder / "part-0.parquet", schema.TABLES["neighbour_species"], compression="zstd") as file:
        for begin in range(0, len(owner), _ROWS):
            block = matrix[owner[begin : begin + _ROWS]]
            table = pa.table({"species": labels.to_lists(block, np.arange(block.shape[1]))})
            file.write_table(table.cast(schema.TABLES["neighbour_species"]), row_group_size=_ROWS)


def _chunks(sizes):
    """(begin, end) of runs of items whose sizes sum to about `_AT_ONCE`, at least one item each."""
    total, begin = np.cumsum(sizes), 0
    while begin < len(total):
        before = total[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(total, before + _AT_ONCE, side="right")))
        yield begin, end
        begin = end


def _ranges(starts, counts):
    """start, start + 1, ... of each of `starts`, `counts` numbers each, joined."""
    return np.arange(counts.sum()) + np.repeat(starts - (np.cumsum(counts) - counts), counts)
