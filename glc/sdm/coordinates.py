"""Do x and y belong among the covariates? Spatially blocked cross-validation on the training data answers.

A place tells a species from the target group where the covariates leave out what bounds its range; where it does not,
it only lets a model learn the map of the samples. Blocks that are held out whole tell the two apart.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from glc.registry import sdms
from glc.sdm import measures
from glc.sdm.sites import PLACE, Examples
from glc.types import Facts

FOLDS = 5
BLOCKS = 12
"""Blocks along the side of a square as large as the region's extent."""
SPECIES = 60
"""About as many are asked, evenly over all of them, where there are more; an interval needs no more."""


def folds(table, blocks=BLOCKS, count=FOLDS, seed=0):
    """Fold (n,) int of each row: square blocks of a region's extent, dealt to `count` folds at random."""
    xy = table[list(PLACE)].to_numpy(np.float64)
    side = max(np.sqrt(np.prod(np.ptp(xy, axis=0))) / blocks, np.finfo(float).tiny)
    corner = np.random.default_rng(seed).random(2)  # else the extreme rows decide where the grid lies
    cell = pd.MultiIndex.from_arrays(np.floor((xy - xy.min(axis=0)) / side + corner).astype(np.int64).T)
    block = pd.factorize(cell)[0]
    return (np.random.default_rng(seed).permutation(block.max() + 1) % count)[block]


def cross_validated(model, groups, place, fold):
    """AUC (species,) of held-out presences against held-out background, the species of all groups in a row.

    model : has ``scores(groups, place)``
    groups : list of `glc.sdm.sites.Examples`
    fold : list of (n,) int, one a group
    Folds without a presence of a species say nothing about it; the AUC is the mean of its folds, weighted by presences.
    """
    total = [np.zeros((2, len(group.species))) for group in groups]
    for number in range(FOLDS):
        parts = []
        for group, own, sums in zip(groups, fold, total, strict=True):
            held = own == number
            if held.any() and (group.present & ~held[:, None]).any() and (group.background & ~held).any():
                parts.append((*group.subset(~held), group, held, sums))
        queries = [(part, group.table[held]) for part, _, group, held, _ in parts]
        for (part, able, group, held, sums), scores in zip(parts, model.scores(queries, place), strict=True):
            present, background = group.present[np.ix_(held, able)], group.background[held]
            for column in range(len(part.species)):
                known = background | present[:, column]
                actual = present[known, column : column + 1]
                auc = measures.auc(scores[known, column : column + 1], actual)[0]
                if not np.isnan(auc):
                    sums[:, able[column]] += auc * actual.sum(), actual.sum()
    return np.concatenate([np.divide(a, n, out=np.full(len(n), np.nan), where=n > 0) for a, n in total])


def some_species(groups: Sequence[Examples], most: int) -> list[Examples]:
    """The examples of about `most` species, evenly over all of them, where there are more."""
    step = -(-sum(len(group.species) for group in groups) // most)
    if step <= 1:
        return list(groups)
    return [replace(group, species=group.species[::step], present=group.present[:, ::step]) for group in groups]


def joins(groups: Sequence[Examples], trees: int = 30, most: int = 300) -> Facts:
    """Whether the place joins the covariates of a region, and why: a dict of numbers for the record.

    groups : list of `glc.sdm.sites.Examples`, of presences and target-group background
    It does where a small down-sampled forest gains by it: the 95 % interval over species of the difference in AUC, of
    blocked cross-validation, lies above 0. No test site and no test label is looked at.
    """
    groups = some_species(groups, SPECIES)
    forest = sdms.get("forest")
    model = forest(forest.Options(trees=trees, most=most))
    fold = [folds(group.table) for group in groups]
    without, within = (cross_validated(model, groups, place, fold) for place in (False, True))
    gain, low, high = measures.paired_interval(within - without)
    return {
        "joins": bool(low > 0),
        "auc_without": float(np.nanmean(without)),
        "auc_with": float(np.nanmean(within)),
        "gain": float(gain),
        "low": float(low),
        "high": float(high),
        "species": int((~np.isnan(within - without)).sum()),
    }
