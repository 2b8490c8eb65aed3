"""Search among surveys in this process: KD-trees on the unit sphere, asked by threads in the order of a curve.

Queries and sources are sorted along a space-filling curve, so that queries behind each other walk through the same
nodes of the tree, which are then in the processor's caches. What a block of queries finds is put into integers of 63
bits, distance in millimetres before number of the source: sorting them sorts by distance and breaks the ties.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
from scipy.spatial import cKDTree

from glc import geo, threads
from glc.errors import ConfigError
from glc.neighbours.places import Places
from glc.progress import tqdm

T = TypeVar("T")

MAX_PAIRS = 1_000_000  # pairs held at once by a thread
_FEW_PAIRS = 100_000  # of a block: with fewer, threads would cost more than they save
_LEAF = 16
_NONE = np.iinfo(np.int64).max
_BITS = 63  # of an int64 that is not negative


class Index:
    """Sources ready to be searched: KD-trees of those without a group and, by excluded group, of the others."""

    def __init__(
        self, sources: Places, *, k: int, radius_m: float, exclude_group: bool = True, workers: int = 1
    ) -> None:
        """Sort the sources; trees are built when they are first asked for.

        sources : aligned with the queries, see `places.align`
        k : nearest of each query, 0 for all within `radius_m`
        radius_m : great-circle metres, may be infinite
        exclude_group : whether a query's own group is hidden from it
        workers : threads, -1 for all cores
        """
        if k < 0 or not radius_m > 0:
            raise ConfigError(f"neighbours: found k={k}, radius_m={radius_m}; expected k >= 0 and radius_m > 0")
        self.k, self.radius_m = int(k), float(radius_m)
        self.workers = threads.cores() if workers < 0 else workers
        self.by_tie = np.lexsort((sources.surveyId, sources.dataset))
        self.sources = sources.rows(self.by_tie)
        self._first = np.searchsorted(self.sources.dataset, np.arange(len(sources.names) + 1))
        self.group = self.sources.group if exclude_group else np.full(len(self.by_tie), -1, np.int32)
        self.groups = np.unique(self.group[self.group >= 0])
        self._shift = max(len(self.by_tie), 1).bit_length()
        self._trees: dict[int | None, _Tree | None] = {}

    def blocks(
        self, queries: Places, *, progress: bool = False, max_pairs: int = MAX_PAIRS
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield (query_index, source_index, distance_m), whole queries at a time, best first within each query.

        queries : aligned places; near ones follow each other
        progress : show a bar
        max_pairs : of a block, unless one query alone has more
        """
        return self.map(lambda *pairs: pairs, queries, progress=progress, max_pairs=max_pairs)

    def map(
        self,
        make: Callable[[np.ndarray, np.ndarray, np.ndarray], T],
        queries: Places,
        *,
        progress: bool = False,
        max_pairs: int = MAX_PAIRS,
    ) -> Iterator[T]:
        """Yield what `make` makes of each of the `blocks`, in their order; it is called in the threads."""
        search = self._nearest if self.k else self._within

        def block(rows: np.ndarray, trees: list[_Tree]) -> tuple[int, T]:
            xyz = geo.unit_sphere(queries.lon[rows], queries.lat[rows])
            own = self._members_of(queries, rows)
            at, member, distance = search(xyz, own, trees)
            return len(rows), make(rows[at], self.by_tie[member], distance)

        with tqdm(total=len(queries.lon), desc="neighbours", unit=" surveys", delay=2, disable=not progress) as bar:
            for size, made in threads.in_order(block, self._parts(queries, max_pairs), self.workers):
                yield made
                bar.update(size)

    def counts(self, queries: Places) -> np.ndarray:
        """Sources within `radius_m` of every aligned query, itself included, (queries,); with k=0 only."""
        result = np.zeros(len(queries.lon), np.int64)
        for rows, trees in self._searches(queries):
            result[rows] = self._counts(queries, rows, trees)
        return result

    def _parts(self, queries, max_pairs):
        """Yield (rows, trees): queries of a block, and the trees that answer them."""
        for rows, trees in self._searches(queries):
            if self.k:
                pairs = np.full(len(rows), 2 * (self.k + 2))
                most = len(rows)
            else:
                pairs = self._counts(queries, rows, trees)
                most = 1 << max(_BITS - self._shift - _millimetre_bits(self.radius_m), 0)
            total = np.cumsum(pairs)
            wanted = min(max_pairs, max(_FEW_PAIRS, int(total[-1]) // (4 * self.workers)))
            cuts = np.flatnonzero(np.diff(total // wanted)) + 1
            for part in np.split(rows, cuts):
                for begin in range(0, len(part), most):
                    yield part[begin : begin + most], trees

    def _searches(self, queries):
        """Yield (rows, trees) of all queries of a group, rows along the curve."""
        own = np.where(np.isin(queries.group, self.groups), queries.group, -1)
        for group in np.unique(own):
            trees = [tree for tree in (self._tree(None), self._tree(int(group))) if tree]
            if trees:
                rows = np.flatnonzero(own == group)
                yield rows[np.argsort(curve(queries.lon[rows], queries.lat[rows]), kind="stable")], trees

    def _counts(self, queries, rows, trees):
        xyz = geo.unit_sphere(queries.lon[rows], queries.lat[rows])
        reach = reach_of(self.radius_m)
        return sum(tree.tree.query_ball_point(xyz, reach, return_length=True, workers=self.workers) for tree in trees)

    def _tree(self, group):
        if group not in self._trees:
            free = self.group < 0
            members = np.flatnonzero(free if group is None else ~free & (self.group != group))
            self._trees[group] = _Tree(self.sources, members, self.k > 0) if len(members) else None
        return self._trees[group]

    def _members_of(self, queries, rows):
        """The sources that are the queries themselves, (rows,) numbers; -1 where there is none."""
        members, dataset, ids = np.full(len(rows), -1, np.int64), queries.dataset[rows], queries.surveyId[rows]
        for code in np.unique(dataset):
            known = self.sources.surveyId[self._first[code] : self._first[code + 1]]
            mine = np.flatnonzero(dataset == code)
            at = np.searchsorted(known, ids[mine])
            exists = at < len(known)
            exists[exists] = known[at[exists]] == ids[mine[exists]]
            members[mine[exists]] = self._first[code] + at[exists]
        return members

    def _nearest(self, xyz, own, trees):
        """The k nearest: (row, member, distance_m), by row, then distance, then member."""
        keys = [tree.nearest(xyz, self.k, self.radius_m, self._shift) for tree in trees]
        keys = keys[0] if len(keys) == 1 else np.concatenate(keys, axis=1)
        disordered = np.flatnonzero((keys[:, 1:] < keys[:, :-1]).any(axis=1))
        keys[disordered] = np.sort(keys[disordered], axis=1)
        keys = keys[:, : self.k + 1]  # one more: the query itself may be among them
        member, distance = self._unpacked(keys)
        keep = (keys != _NONE) & (member != own[:, None]) & (distance <= self.radius_m)
        count = keep.sum(axis=1)
        keep[count > self.k, -1] = False
        return np.repeat(np.arange(len(xyz)), np.minimum(count, self.k)), member[keep], distance[keep]

    def _within(self, xyz, own, trees):
        """All within the radius, as `_nearest`."""
        near, bits = cKDTree(xyz, balanced_tree=False), _millimetre_bits(self.radius_m)
        keys = []
        for tree in trees:
            pairs = near.sparse_distance_matrix(tree.tree, reach_of(self.radius_m), output_type="ndarray")
            row, member, distance = pairs["i"], tree.members[pairs["j"]], millimetres(pairs["v"])
            keep = (member != own[row]) & (distance / 1_000 <= self.radius_m)
            key = row << bits
            key |= distance.astype(np.int64)
            key <<= self._shift
            key |= member
            keys.append(key[keep])
        keys = np.concatenate(keys)
        keys.sort()
        row = keys >> (bits + self._shift)
        keys &= (1 << (bits + self._shift)) - 1
        return row, *self._unpacked(keys)

    def _unpacked(self, keys):
        return keys & ((1 << self._shift) - 1), (keys >> self._shift) / 1_000


class _Tree:
    """A KD-tree of locations, each with its members in the order of ties.

    Surveys often share their coordinates; as one location they cost one node, and the k nearest never have to look at
    more than k + 1 of them (one more because the query itself may be among them).
    """

    def __init__(self, places, members, merge):
        order = np.argsort(curve(places.lon[members], places.lat[members]), kind="stable")  # ties keep their order
        members = members[order]
        lon, lat = places.lon[members], places.lat[members]
        first = np.ones(len(members), bool)
        if merge:
            first[1:] = (np.diff(lon) != 0) | (np.diff(lat) != 0)
        self.members, self.start = members, np.flatnonzero(first)
        self.count = np.append(np.diff(self.start, append=len(members)), 1)  # the last: of no location
        self.shared = len(self.start) < len(members)
        self._one = np.append(members[self.start], 0)
        # median splits take long on many equal points; the sliding midpoint does not
        self.tree = cKDTree(geo.unit_sphere(lon[first], lat[first]), leafsize=_LEAF, balanced_tree=merge)

    def nearest(self, xyz, k, radius_m, shift):
        """Packed (millimetres, member) of at least the k + 1 nearest of each row, (rows, width), `_NONE` at the end."""
        size, total = min(k + 2, len(self.start)), len(self.start)
        length, at = self.tree.query(xyz, k=np.arange(1, size + 1), distance_upper_bound=reach_of(radius_m))
        exists = at < total
        distance = millimetres(length)
        keys = (distance.astype(np.int64) << shift) | self._one[at]
        keys[~exists] = _NONE
        # where all stand alone, and the last is farther than the one before, nothing beyond can tie with what is needed
        simple = np.ones(len(xyz), bool)
        if size < total:
            simple = (distance[:, -1] > distance[:, -2]) | ~exists[:, -1]
        if self.shared:
            simple &= (self.count[at] == 1).all(axis=1)
        rest = np.flatnonzero(~simple)
        if not len(rest):
            return keys
        row, key = self._ragged(xyz[rest], k, radius_m, shift)
        count = np.bincount(row, minlength=len(rest))
        wide = np.full((len(xyz), max(size, count.max())), _NONE)
        wide[:, :size] = keys
        wide[rest] = _NONE
        order = np.argsort(row, kind="stable")
        wide[rest[row[order]], np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)] = key[order]
        return wide

    def _ragged(self, xyz, k, radius_m, shift):
        """The same as (row, packed), of rows whose locations hold several members or tie with what lies beyond."""
        rows, size, total, parts = np.arange(len(xyz)), k + 2, len(self.start), []
        while len(rows):
            size = min(size, total)
            length, at = self.tree.query(xyz[rows], k=np.arange(1, size + 1), distance_upper_bound=reach_of(radius_m))
            exists = at < total
            distance = np.where(exists, millimetres(length), np.inf)
            count = np.where(exists, np.minimum(self.count[at], k + 1), 0)
            enough = np.cumsum(count, axis=1) > k
            last = np.where(enough.any(axis=1), distance[np.arange(len(rows)), enough.argmax(axis=1)], np.inf)
            # settled once something lies beyond the last distance needed: no further location can tie with it
            settled = (distance[:, -1] > last) | ~exists[:, -1] | (size == total)
            keep = exists & (distance <= last[:, None]) & settled[:, None]
            row, column = np.nonzero(keep)
            parts.append((rows[row], at[row, column], count[row, column], distance[row, column]))
            rows, size = rows[~settled], size * 4
        row, at, count, distance = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        member = self.members[np.repeat(self.start[at], count) + within]
        return np.repeat(row, count), (np.repeat(distance.astype(np.int64), count) << shift) | member


def curve(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """(n,) uint64 positions of places along a Z-order curve of degrees, steps of a centimetre."""
    x, y = (
        _spread(np.clip(np.mod(degrees + half, span) * (2**32 / span), 0, 2**32 - 1).astype(np.uint64))
        for degrees, half, span in ((lon, 180, 360), (lat, 90, 180.0001))
    )
    return (x << np.uint64(1)) | y


def _spread(bits):
    """Numbers below 2**32 with a zero before each of their bits."""
    for shift, mask in (
        (16, 0x0000FFFF0000FFFF), (8, 0x00FF00FF00FF00FF), (4, 0x0F0F0F0F0F0F0F0F), (2, 0x3333333333333333),
        (1, 0x5555555555555555),
    ):  # fmt: skip
        bits = (bits | (bits << np.uint64(shift))) & np.uint64(mask)
    return bits


def millimetres(chord_length: np.ndarray) -> np.ndarray:
    """Whole great-circle millimetres, float, of chords of the unit sphere."""
    return np.rint(geo.arc(chord_length) * 1_000)


def _millimetre_bits(radius_m):
    return int(np.ceil(min(radius_m, np.pi * geo.EARTH_RADIUS_M) * 1_000) + 1).bit_length()


def reach_of(radius_m: float) -> float:
    """Chord of the unit sphere within which SciPy finds all that is within `radius_m` once it is rounded."""
    return float(geo.chord(radius_m + 0.001)) + 1e-12  # SciPy's bound is exclusive, and rounding comes after it
