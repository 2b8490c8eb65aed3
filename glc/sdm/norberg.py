"""Norberg et al. 2019: communities of many species, 600 sites to learn from and 600 to predict, in three partitions.

Partition 1 holds out sites that interpolate, 3 those that extrapolate. Read from a folder that the user names; the
layout is this module's own, not the one in which the data are published::

    norberg2019_COMMUNITY.parquet   COMMUNITY: birds, plant, vegetation; a row a site and partition:
                                    partition (1, 2, 3), split (train or valid), s1, s2 (place), x1, x2 … (covariates),
                                    sp001, sp002 … (0, 1: absence and presence); no value may be missing
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from glc.errors import ConfigError, DataError
from glc.sdm.sites import PLACE, Examples, Group

COMMUNITIES = ("birds", "plant", "vegetation")
PARTITIONS = (1, 2, 3)
REGIONS = tuple(f"{community}-{partition}" for community in COMMUNITIES for partition in PARTITIONS)
BACKGROUNDS = ("absences",)
REFERENCE = {
    **{"birds-1": 0.831, "birds-2": 0.800, "birds-3": 0.668, "plant-1": 0.818, "plant-2": 0.813, "plant-3": 0.615},
    **{"vegetation-1": 0.764, "vegetation-2": 0.756, "vegetation-3": 0.581},
}
"""Mean AUC of a forest per species, by region: reference figures that were handed with the data, its settings unknown.
Norberg et al. 2019 (Ecological Monographs 89, e01370) is the source of the data, not of these figures."""


def read(folder, region, background="absences"):
    """One community in one partition, a list of one `glc.sdm.sites.Group`.

    region : such as ``birds-1``. Species without a presence or without an absence in training are left out: no model
    can learn them. DataErrors name file, column and remedy.
    """
    if region not in REGIONS or background not in BACKGROUNDS:
        raise ConfigError(
            f"unknown region {region!r} or background {background!r}; expected one of: {', '.join(REGIONS)}, and "
            f"{BACKGROUNDS[0]}"
        )
    (path,) = files(folder, region)
    table = pd.read_parquet(path)
    covariates = [name for name in table if re.fullmatch(r"x\d+", name)]
    species = [name for name in table if re.fullmatch(r"sp\d+", name)]
    for wanted, there in {
        "'partition'": "partition" in table,
        "'split'": "split" in table,
        "'s1'": "s1" in table,
        "'s2'": "s2" in table,
        "'x1'": covariates,
        "'sp001'": species,
    }.items():
        if not there:
            raise DataError(f"{path}: column {wanted} is missing; found {list(table)[:12]} …; fetch the file again")
    table = table[table["partition"] == int(region[-1])].rename(columns=dict(zip(("s1", "s2"), PLACE, strict=True)))
    missing = table[[*PLACE, *covariates, *species]].isna().sum()
    if missing.any():
        raise DataError(
            f"{path}: column {missing.idxmax()!r} has {missing.max()} missing values, expected none; drop these rows"
        )
    known = table["split"] == "train"
    if set(table["split"]) != {"train", "valid"}:
        raise DataError(
            f"{path}: column 'split' of partition {region[-1]}: found {sorted(set(table['split']))}, expected "
            "['train', 'valid']; fetch the file again"
        )
    train, sites = table[known], table[~known]
    present = train[species].to_numpy() > 0
    able = present.any(axis=0) & ~present.all(axis=0)
    names = tuple(np.array(species)[able])
    examples = Examples(
        train[[*PLACE, *covariates]].reset_index(drop=True), names, present[:, able], np.ones(len(train), bool)
    )
    sites = sites.rename_axis("siteid")
    return [Group(region, examples, sites[[*PLACE, *covariates]], sites[list(names)].to_numpy() > 0)]


def files(folder, region):
    """The file of a region below `folder`, a list of one; a DataError where it is not there."""
    path = Path(folder) / f"norberg2019_{region.rpartition('-')[0]}.parquet"
    if not path.is_file():
        raise DataError(f"{path}: no such file; give the folder of the Norberg 2019 tables, norberg2019_*.parquet")
    return [path]


def truths(folder, region):
    """The file with the truth of each group of a region, by the group's name: the region's only file."""
    return {region: files(folder, region)[0]}
