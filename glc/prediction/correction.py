"""High-probability species: those that nearly all of the nearest surveys of the same year and region hold.

Tighnari 2024, section 3.2, Algorithm 2, and the output correction of section 3.7, which joins them with the predicted
set. Nearly is strict: more than 4 of the 5 nearest presence-absence surveys (all of them), or more than 8 of the 10
nearest presence-only ones; a query with fewer neighbours than that has no list.
"""

from typing import ClassVar, Literal

import numpy as np
from scipy import sparse

from glc.config import Count, Natural, Positive, Sources, require, section
from glc.errors import ConfigError
from glc.neighbours import ecological
from glc.registry import corrections
from glc.surveys import SurveyData
from glc.types import Facts, MemberOptions

SOURCES: tuple[Literal["train", "po"], ...] = ("train", "po")


@section
class Options(ecological.Edges):
    """What makes a list; also `radius_m` and `same`, see `ecological.Edges`."""

    train_nearest: Count = 5
    """Presence-absence surveys asked, N of the paper."""
    train_above: Natural = 4
    """A species is listed if more of them have it, L of the paper."""
    po_nearest: Count = 10
    """Presence-only surveys asked, A of the paper."""
    po_above: Natural = 8
    """A species is listed if more of them have it, M of the paper."""
    sources: Sources = SOURCES
    """train, po or both, whose lists are then merged; the paper found po alone the steadier gain."""
    region_m: Positive = 50_000
    """A presence-only survey takes the region of the nearest presence-absence survey within this distance, metres."""

    def __post_init__(self) -> None:
        for name in SOURCES:
            nearest, above = f"{name}_nearest", f"{name}_above"
            require(getattr(self, above) < getattr(self, nearest), above, self, f"0 or above, and below {nearest}")


class Correction:
    """What joins the decided sets. A new one is one new file in ``glc/prediction``, named as the correction:

    >>> @corrections.register("everywhere")
    ... class Everywhere(Correction):
    ...     '''Species that more than half of all training surveys have.'''
    ...
    ...     def species(self, data, fold, queries):
    ...         labels = data.labels_of(data.train(fold))
    ...         common = np.asarray(labels.mean(axis=0)).ravel() > 0.5
    ...         return sparse.csr_matrix(np.tile(common, (len(queries), 1))), {"species": int(common.sum())}
    >>> added, facts = Everywhere(Everywhere.Options()).species(data, 0, data.valid(0))
    >>> added.shape == (len(data.valid(0)), len(data.species))
    True
    """

    name: ClassVar[str] = ""
    """Given by the registry."""

    @section
    class Options:
        """Options of ``[postprocess]``, besides its ``name``: none."""

    def __init__(self, options: MemberOptions) -> None:
        """Keep the options.

        options : the correction's own `Options`
        """
        self.options = options

    def species(self, data: SurveyData, fold: int | None, queries: np.ndarray) -> tuple[sparse.csr_matrix, Facts]:
        """Species that join the sets of surveys, made without the labels of their fold.

        data : the dataset's surveys
        fold : whose labels are not looked at: that of the queries; None for the test
        queries : (n,) row numbers of `data`
        returns : boolean CSR (n, m) over the dataset's species, and facts for the manifest
        """
        raise NotImplementedError(f"{type(self).__name__} does not say which species it adds")


@corrections.register("lists")
class Lists(Correction):
    """The output correction of the paper: high-probability species join the set."""

    Options = Options  # type: ignore[assignment]  # each correction has options of its own

    def species(self, data: SurveyData, fold: int | None, queries: np.ndarray) -> tuple[sparse.csr_matrix, Facts]:
        return lists(data, fold, queries, self.options)


def lists(
    data: SurveyData, fold: int | None, queries: np.ndarray, options: Options | None = None, progress: bool = False
) -> tuple[sparse.csr_matrix, Facts]:
    """High-probability species of the surveys `queries`: boolean CSR (n, m) over the dataset's species, and facts.

    data : `glc.surveys.SurveyData`; queries : row numbers
    fold : labels of this fold are not looked at: name that of the queries; None for the test

    Facts hold, of each source and of all ``merged``: queries without a neighbour (``isolated``), ``non_empty`` lists
    and their ``mean_size``. A ConfigError tells of queries whose own fold is open to view.
    """
    options = options or Options()
    queries = np.asarray(queries)
    train = data.train(fold)
    if np.isin(queries, train).any():
        raise ConfigError(
            f"lists: {int(np.isin(queries, train).sum())} of {len(queries)} surveys are training surveys of fold "
            f"{fold}, so their neighbours' labels are not held out; expected validation surveys of that fold, or test"
        )
    asked = data.places.iloc[queries]
    listed, facts = sparse.csr_matrix((len(queries), len(data.species)), dtype=bool), {}
    alone = np.ones(len(queries), bool)
    for name in dict.fromkeys(options.sources):
        rows = train if name == "train" else data.presence_only
        sources = data.places.iloc[rows]
        if name == "po" and "region" in options.same:
            known = data.places.iloc[np.union1d(data.train(), data.test)]
            sources = sources.assign(region=ecological.regions_from_nearest(sources, known, options.region_m, progress))
        nearest, above = getattr(options, f"{name}_nearest"), getattr(options, f"{name}_above")
        edges = ecological.edges(asked, sources, options, k=nearest, progress=progress)
        counts = sparse.csr_matrix((np.ones(edges.nnz, np.int32), edges.indices, edges.indptr), edges.shape)
        own = (counts @ data.labels_of(rows).astype(np.int32)) > above
        facts[name] = (
            _list_facts(own, np.diff(edges.indptr) == 0) | ecological.conditions(asked, sources, options.same)[1]
        )
        alone &= np.diff(edges.indptr) == 0
        listed = (listed + own).tocsr()
    listed.sort_indices()
    return listed, facts | {"merged": _list_facts(listed, alone)}


def correct(predicted: sparse.csr_matrix, lists: sparse.csr_matrix) -> sparse.csr_matrix:
    """Predicted sets with the listed species added: boolean CSR, each row's own species first, in their own order.

    predicted, lists : boolean CSR (n, m) over the same species
    """
    if predicted.shape != lists.shape:
        raise ConfigError(
            f"correct: found lists of shape {lists.shape}, expected {predicted.shape}; see glc.labels.widen"
        )
    predicted, lists = predicted.tocsr(), lists.tocsr()
    added = (lists > predicted).tocsr().sorted_indices()
    row = np.concatenate([np.repeat(np.arange(part.shape[0]), np.diff(part.indptr)) for part in (predicted, added)])
    order = np.argsort(row, kind="stable")
    indices = np.concatenate([predicted.indices, added.indices])[order]
    indptr = predicted.indptr.astype(np.int64) + added.indptr
    return sparse.csr_matrix((np.ones(len(indices), bool), indices, indptr), shape=predicted.shape)


def _list_facts(listed: sparse.csr_matrix, alone: np.ndarray) -> Facts:
    sizes = np.diff(listed.tocsr().indptr)
    return {
        "queries": len(alone),
        "isolated": int(alone.sum()),
        "non_empty": int((sizes > 0).sum()),
        "mean_size": float(sizes[sizes > 0].mean()) if (sizes > 0).any() else 0.0,
    }
