"""A small made-up region: species with a known niche, a sampled target group, and the truth at test sites."""

import numpy as np
import pandas as pd

from glc.sdm.sites import Group, presence_only


def places(rng, n):
    """n places of a 100 km square with three covariates: two smooth ones and a class."""
    x, y = rng.uniform(0, 100_000, (2, n))
    warm = np.sin(x / 15_000) + rng.normal(0, 0.1, n)
    wet = np.cos(y / 15_000) + rng.normal(0, 0.1, n)
    return pd.DataFrame({"x": x, "y": y, "warm": warm, "wet": wet, "soil": rng.integers(0, 3, n)})


def chances(table):
    """(n, 3) chance of presence: warm and wet; cold; soil 2."""
    logits = [2 * table["warm"] + 2 * table["wet"] - 1, -3 * table["warm"], 4.0 * (table["soil"] == 2) - 2]
    return 1 / (1 + np.exp(-np.stack(logits, axis=1)))


def records(table, present, names):
    """Presence records (spid and the table's columns) of what is present."""
    row, species = present.nonzero()
    return table.iloc[row].assign(spid=np.array(names)[species])


def group(seed=0, n=800, names=("a", "b", "c"), sites=400):
    """A `Group` of three species."""
    rng = np.random.default_rng(seed)
    table = places(rng, n)
    present = rng.random((n, 3)) < chances(table)
    background = places(rng, n)
    query = places(rng, sites).rename_axis("siteid")
    truth = rng.random((sites, 3)) < chances(query)
    examples = presence_only(
        records(table, present, names), background, list(names), ["warm", "wet", "soil"], ("soil",)
    )
    return Group("made", examples, query, truth)


def write_nceas(folder, region="AWT", truth=True, seed=0):
    """The files of one region of two groups in the NCEAS layout; return the groups."""
    (folder / "tgb").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    found, every = [], []
    for name, first in (("bird", 1), ("plant", 4)):
        names = [f"{region.lower()}{first + i:02d}" for i in range(3)]
        table = places(rng, 120)
        present = rng.random((120, 3)) < chances(table) * 0.5
        found.append(records(table, present, names).assign(group=name))
        places(rng, 150).assign(spid="tgb").to_parquet(folder / "tgb" / f"{region}_{name}_tgb.parquet")
        sites = places(rng, 60)
        sites.insert(0, "siteid", [f"{name}{i}" for i in range(60)])
        sites.to_parquet(folder / f"{region}_test_env_{name}.parquet")
        actual = rng.random((60, 3)) < chances(sites)
        if truth:
            known = pd.DataFrame(actual.astype(int), columns=names).assign(siteid=sites["siteid"])
            known.iloc[::-1].to_parquet(folder / f"{region}_test_pa_{name}.parquet")
        every.append((name, names, actual))
    pd.concat(found).to_parquet(folder / f"{region}_train_po.parquet")
    places(rng, 400).to_parquet(folder / f"{region}_train_bg.parquet")
    return every
