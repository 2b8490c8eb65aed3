"""Tables of a benchmark: three measures a species and model, their means by region, and paired differences."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from glc.sdm import measures
from glc.sdm.sites import Group

MEASURES = {"auc": measures.auc, "prg": measures.prg_auc, "cor": measures.correlation}
TITLES = {"auc": "AUC", "prg": "PRG-AUC", "cor": "COR"}
ALL = "all"


def per_species(region: str, model: str, group: Group, scores: np.ndarray) -> pd.DataFrame:
    """Measures of one group's scores (site, species) against its truth, one row per species."""
    values = {name: measure(scores, group.truth) for name, measure in MEASURES.items()}
    counts = {"sites": len(group.truth), "presences": group.truth.sum(axis=0)}
    facts = {"region": region, "group": group.name, "species": group.examples.species, "model": model}
    return pd.DataFrame(facts | counts | values)


def means(table: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Mean of a measure by model (rows) and region (columns), and over the species of all regions (`ALL`)."""
    by_region = table.pivot_table(measure, "model", "region", sort=False)
    by_region[ALL] = table.groupby("model")[measure].mean()
    return by_region


def overall(table: pd.DataFrame) -> pd.DataFrame:
    """Of each model and measure, over the species of all regions: species, mean with its interval, median."""
    rows = []
    for model, own in table.groupby("model", sort=False):
        for measure, title in TITLES.items():
            values = own[measure].dropna()
            if len(values):
                mean, low, high = measures.paired_interval(values)
                facts = {"model": model, "measure": title, "species": len(values), "mean": mean}
                rows.append(facts | {"low": low, "high": high, "median": values.median()})
    return pd.DataFrame(rows)


def by_group(table: pd.DataFrame, measure: str = "auc") -> pd.DataFrame:
    """Mean of a measure by region and group (rows) and model (columns), of regions with more groups than one."""
    several = table.groupby("region")["group"].transform("nunique") > 1
    species = table[several].groupby(["region", "group"], sort=False)["species"].nunique()
    wide = table[several].pivot_table(measure, ["region", "group"], "model", sort=False)
    wide.insert(0, "species", species)
    return wide.reset_index().rename_axis(columns=None)


def below_chance(table: pd.DataFrame) -> pd.DataFrame:
    """The species and models with a PRG-AUC below 0, the lowest first."""
    columns = ["region", "species", "presences", "sites", "model", "auc", "prg"]
    return table.loc[table["prg"] < 0, columns].sort_values("prg", ignore_index=True)


def differences(table: pd.DataFrame, pairs: Sequence[tuple[str, str]], measure: str = "auc") -> pd.DataFrame:
    """Paired differences between models, `measures.paired_interval` over the species that both have a figure of.

    pairs : list of (model, other), of which those with a model that the table lacks are left out
    returns : frame, a row a pair: model, minus, species, mean, low, high
    """
    wide = table.pivot_table(measure, ["region", "species"], "model", dropna=False)
    rows = []
    for model, other in pairs:
        if model not in wide or other not in wide:
            continue
        gap = (wide[model] - wide[other]).dropna()
        mean, low, high = measures.paired_interval(gap)
        rows.append({"model": model, "minus": other, "species": len(gap), "mean": mean, "low": low, "high": high})
    return pd.DataFrame(rows)
