"""Pseudo-surveys: presence-only occurrences within a radius of a centre make one label set, and each label its source.

The idea is that of Miyaguchi et al. 2024 (section 7): a presence-only record names one species of a place that has
many, so records near each other are read as one survey.
"""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy.spatial import KDTree

from glc import geo, schema
from glc.progress import tqdm
from glc.types import Facts

PAIRS_AT_ONCE = 2_000_000
"""(centre, survey) pairs in memory at a time, about 0.3 GB with their labels."""


def aggregate(
    po_surveys: pd.DataFrame | pa.Table, radius_m: float, min_species: int, workers: int = 2
) -> tuple[pd.DataFrame, pd.DataFrame, Facts]:
    """Make pseudo-surveys of presence-only surveys.

    Centres are the mean places of the surveys in each grid cell of side `radius_m` (of the surveys' own projection);
    the label set of a centre is every species that occurs within `radius_m` great-circle metres of it. A survey lies
    within reach of its own centre unless its cell is wider than the radius there, and of about three others.

    po_surveys : pandas frame or pyarrow table with surveyId, lon, lat (degrees), easting, northing (metres), species
        (lists), and crs where several projections meet
    radius_m : metres, above 0
    min_species : pseudo-surveys with fewer species are left out
    returns : (examples, provenance, facts): pandas frames of those schemas, and a dict of counts. The ids of
        pseudo-surveys are -1, -2, ... in the order of their cells, so that they never meet a survey's; weight is 1.
        The source of a label is the nearest survey with that species (of equals, the smallest surveyId), `distance_m`
        from the centre.
    """
    table = po_surveys if isinstance(po_surveys, pa.Table) else pa.Table.from_pandas(po_surveys, preserve_index=False)
    lon, lat, easting, northing = (table[name].to_numpy() for name in ("lon", "lat", "easting", "northing"))
    ids = table["surveyId"].to_numpy()
    species, starts = _ragged(table["species"])
    crs = table["crs"].to_numpy() if "crs" in table.column_names else 3035

    cells, cell, sizes = np.unique(
        geo.block_ids(easting, northing, radius_m, crs), return_inverse=True, return_counts=True
    )
    xyz = geo.unit_sphere(lon, lat)
    centres = np.column_stack([np.bincount(cell, xyz[:, axis], len(cells)) for axis in range(3)]).astype(float)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)

    labels = [_EMPTY]
    reached = np.zeros(len(ids), bool)
    if len(ids):
        reach = geo.chord(radius_m)
        tree = KDTree(xyz)
        pairs = tree.query_ball_point(centres, reach, return_length=True, workers=workers)
        with tqdm(total=len(cells), desc="pseudo-surveys", unit="centre", disable=len(cells) < 10_000) as bar:
            for begin, end in _chunks(pairs):
                near = KDTree(centres[begin:end]).sparse_distance_matrix(tree, reach, output_type="ndarray")
                reached[near["j"]] = True
                labels.append(_labels(near["i"] + begin, near["j"], near["v"], species, starts, ids))
                bar.update(end - begin)
    centre, label, source, chord = (np.concatenate(column) for column in zip(*labels, strict=True))

    richness = np.bincount(centre, minlength=len(cells))
    kept = richness >= max(min_species, 1)
    pseudo_id = np.where(kept, -np.cumsum(kept), 0)
    rows = kept[centre]
    centre, label, source, chord = centre[rows], label[rows], source[rows], chord[rows]
    bounds = np.cumsum(richness[kept])[:-1]
    examples = pd.DataFrame(
        {
            "dataset": np.full(kept.sum(), schema.DATASETS.index("po"), np.int8),
            "surveyId": pseudo_id[kept],
            "easting": (np.bincount(cell, easting, len(cells)) / sizes)[kept].astype(np.float32),
            "northing": (np.bincount(cell, northing, len(cells)) / sizes)[kept].astype(np.float32),
            "weight": np.ones(kept.sum(), np.float32),
        }
    )
    examples["species"] = pd.Series(np.split(label, bounds) if kept.any() else [], dtype=object)
    provenance = pd.DataFrame(
        {"pseudo_id": pseudo_id[centre], "speciesId": label, "surveyId": source, "distance_m": geo.arc(chord)}
    )
    facts = {
        "surveys": len(ids),
        "occurrences": len(species),
        "centres": len(cells),
        "examples": len(examples),
        "left_out": int((~kept).sum()),
        "out_of_reach": int((~reached).sum()),
        "labels": len(provenance),
    }
    return examples, provenance, facts


_EMPTY = np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, float)


def _ragged(column):
    """Values and the n + 1 offsets of a list column."""
    lists = column.combine_chunks().cast(pa.list_(pa.int32()))
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    return lists.flatten().to_numpy(zero_copy_only=False), np.concatenate([[0], np.cumsum(lengths)])


def _chunks(pairs):
    """(begin, end) of runs of centres with about `PAIRS_AT_ONCE` pairs each, at least one centre."""
    total = np.cumsum(pairs)
    begin = 0
    while begin < len(pairs):
        before = total[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(total, before + PAIRS_AT_ONCE, side="right")))
        yield begin, end
        begin = end


def _labels(centre, survey, chord, species, starts, ids):
    """Nearest source of each (centre, species), sorted by both: arrays centre, species, surveyId, chord."""
    counts = starts[survey + 1] - starts[survey]
    pair = np.repeat(np.arange(len(survey)), counts)
    within = np.arange(len(pair)) - np.repeat(np.cumsum(counts) - counts, counts)
    label = species[starts[survey][pair] + within]
    centre, source, chord = centre[pair], ids[survey[pair]], chord[pair]
    order = np.lexsort((source, chord, label, centre))
    centre, label = centre[order], label[order]
    first = np.ones(len(order), bool)
    first[1:] = (centre[1:] != centre[:-1]) | (label[1:] != label[:-1])
    return centre[first], label[first], source[order][first], chord[order][first]
