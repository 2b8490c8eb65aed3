"""The ecological graph: surveys of one year and region within 10 km of each other, the nearer the heavier the edge.

Tighnari 2024, section 3.2, Algorithm 1 and eq. (2), whose Earth radius is printed as 6731 km; distances here are
great-circle metres on the sphere of 6,371 km that `glc.geo` has throughout, rounded to millimetres.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from annotated_types import Gt, Le
from scipy import sparse
from scipy.spatial import cKDTree

from glc import geo
from glc.config import section
from glc.errors import DataError
from glc.neighbours import exact
from glc.neighbours.places import align, load, ranks
from glc.progress import tqdm
from glc.types import Facts

_MAX_PAIRS = 4_000_000  # pairs held at once


@section
class Edges:
    """What makes an edge."""

    radius_m: Annotated[float, Gt(0), Le(500_000)] = 10_000
    """Surveys farther apart have no edge; one exactly as far has an edge of weight 0. Metres."""
    same: tuple[Literal["year", "region", "country"], ...] = ("year", "region")
    """Columns in which both ends must agree. A null agrees with nothing, not even with another null; but a column that
    is null in all surveys asks for nothing (editions without years or regions)."""


def edges(
    queries: pd.DataFrame,
    sources: pd.DataFrame,
    options: Edges | None = None,
    *,
    k: int = 0,
    progress: bool = False,
    agree: tuple[str, ...] | None = None,
) -> sparse.csr_matrix:
    """Weights of the edges from queries to sources: CSR (n_queries, n_sources) float32 of radius minus distance, in km.

    queries, sources : frames with dataset, surveyId, lon, lat (degrees) and the columns of `options.same`
    options : `Edges`
    k : keep the k heaviest edges of each query, ties by dataset, then surveyId; 0 keeps all
    agree : columns in which both ends must agree, where `queries` are some of the nodes alone; None: `conditions` of
        these queries and sources

    A survey has no edge to itself. An edge of weight 0 is stored. Needs memory for the edges kept and for about four
    million pairs at once. A DataError names a column that is missing, or coordinates that are.
    """
    options = options or Edges()
    if agree is None:
        agree = conditions(queries, sources, options.same)[0]
    query_group, source_group = _groups(queries, sources, agree)
    q, s = align(load(queries, exclude_group=False), load(sources, exclude_group=False))
    query_xyz, source_xyz = geo.unit_sphere(q.lon, q.lat), geo.unit_sphere(s.lon, s.lat)
    tie = np.empty(len(s.lon), np.int64)
    tie[np.lexsort((s.surveyId, s.dataset))] = np.arange(len(s.lon))
    parts = []
    with tqdm(total=len(q.lon), desc="edges", unit=" surveys", delay=2, disable=not progress) as bar:
        for asked, candidates in _matching(query_group, source_group):
            for row, column, chord in _within(query_xyz, source_xyz, asked, candidates, options.radius_m):
                distance = np.round(geo.arc(chord), 3)
                own = (q.surveyId[row] == s.surveyId[column]) & (q.dataset[row] == s.dataset[column])
                keep = np.flatnonzero((distance <= options.radius_m) & ~own)
                if k:
                    keep = keep[np.lexsort((tie[column[keep]], distance[keep], row[keep]))]
                    keep = keep[ranks(row[keep]) <= k]
                weight = ((options.radius_m - distance[keep]) / 1_000).astype(np.float32)
                parts.append((row[keep].astype(np.int32), column[keep].astype(np.int32), weight))
            bar.update(len(asked))
    empty = (np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32))
    row, column, weight = (np.concatenate(arrays) for arrays in zip(empty, *parts, strict=True))
    del parts
    matrix = sparse.csr_matrix((weight, (row, column)), shape=(len(q.lon), len(s.lon)))
    matrix.sort_indices()
    return matrix


def conditions(queries: pd.DataFrame, sources: pd.DataFrame, same: Sequence[str]) -> tuple[tuple[str, ...], Facts]:
    """Columns of `same` that are asked for, (columns,), and facts.

    Facts hold the columns ``dropped`` for being null throughout, and how many surveys are ``null`` in each of the
    others: those have no edge at all.
    """
    kept, dropped, null = [], [], {}
    for column in same:
        for frame in (queries, sources):
            if column not in frame:
                raise DataError(
                    f"surveys: column {column!r} is missing; found {list(frame.columns)}; leave it out of `same`"
                )
        missing = [frame[column].isna().to_numpy() for frame in (queries, sources)]
        if all(part.all() for part in missing):
            dropped.append(column)
        else:
            kept.append(column)
            null[column] = {"queries": int(missing[0].sum()), "sources": int(missing[1].sum())}
    return tuple(kept), {"dropped": dropped, "null": null}


def regions_from_nearest(
    places: pd.DataFrame, known: pd.DataFrame, max_m: float = 50_000, progress: bool = False
) -> np.ndarray:
    """Regions of surveys that have none, from the nearest survey that has one.

    places, known : frames with dataset, surveyId, lon, lat and region (absent in `places` is as good as null)
    max_m : a place farther from all of `known` keeps its null; presence-only surveys come without a region

    returns : array (n_places,) of regions, object. Ties go by dataset, then surveyId.
    """
    regions = places["region"].to_numpy(object, copy=True) if "region" in places else np.full(len(places), None, object)
    known = known[known["region"].notna()]
    todo = np.flatnonzero(pd.isna(regions))
    if len(known) and len(todo):
        row, column, _ = exact.nearest(
            places.iloc[todo], known, k=1, radius_m=max_m, exclude_group=False, progress=progress
        )
        regions[todo[row]] = known["region"].to_numpy(object)[column]
    return regions


def _groups(queries, sources, columns):
    """Numbers that agree where all `columns` do, of queries and of sources; -1 where one of them is null."""
    group = np.zeros(len(queries) + len(sources), np.int64)
    for column in columns:
        values = pd.concat([queries[column].astype(object), sources[column].astype(object)], ignore_index=True)
        codes, names = pd.factorize(values)
        group = np.where((group < 0) | (codes < 0), -1, group * (len(names) + 1) + codes)
    return group[: len(queries)], group[len(queries) :]


def _matching(query_group, source_group):
    """Yield the rows of queries and of sources of each group that has both."""
    query_order, source_order = (np.argsort(group, kind="stable") for group in (query_group, source_group))
    query_sorted, source_sorted = query_group[query_order], source_group[source_order]
    for group in np.intersect1d(query_sorted, source_sorted):
        if group >= 0:
            yield tuple(
                order[slice(*np.searchsorted(ranked, [group, group + 1]))]
                for order, ranked in ((query_order, query_sorted), (source_order, source_sorted))
            )


def _within(query_xyz, source_xyz, asked, candidates, radius_m):
    """Yield (row, column, chord) of pairs within the radius (and a hair more), whole queries at a time."""
    reach = float(geo.chord(radius_m + 0.001)) + 1e-12  # SciPy's bound is exclusive, and rounding comes after it
    # median splits take long on surveys that share their place; the sliding midpoint does not
    tree = cKDTree(source_xyz[candidates], balanced_tree=False)
    pairs = tree.query_ball_point(query_xyz[asked], reach, return_length=True)
    for part in np.split(asked, np.flatnonzero(np.diff(np.cumsum(pairs) // _MAX_PAIRS)) + 1):
        near = cKDTree(query_xyz[part], balanced_tree=False).sparse_distance_matrix(tree, reach, output_type="ndarray")
        yield part[near["i"]], candidates[near["j"]], near["v"]
