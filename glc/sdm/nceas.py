"""The NCEAS benchmark (Elith et al. 2020): six regions of presence-only records and independent presence-absence tests.

Read from a folder that the user names, in the layout of the R package disdat saved as parquet::

    REGION_train_po.parquet         presence records: spid, group, x, y, covariates
    REGION_train_bg.parquet         10,000 random background points
    tgb/REGION_GROUP_tgb.parquet    target-group background: where others of the group were recorded (Phillips 2009)
    REGION_test_env[_GROUP].parquet test sites: siteid, x, y, covariates
    REGION_test_pa[_GROUP].parquet  presence and absence of the species at them; may be missing, then there is no truth
"""

from pathlib import Path

import numpy as np
import pandas as pd

from glc.errors import ConfigError, DataError, did_you_mean
from glc.sdm.examples import PLACE, Group, presence_only

REGIONS = ("AWT", "CAN", "NSW", "NZ", "SA", "SWI")
CATEGORICAL = {"CAN": ("ontveg",), "NSW": ("vegsys",), "NZ": ("age", "toxicats"), "SWI": ("calc",)}
"""Covariates that are classes, those that Valavi et al. 2022 declare."""
BACKGROUNDS = ("target_group", "random")
"""The first is the one by which a region's use of the place is decided."""
_NO_COVARIATES = ("siteid", "spid", "occ", "group", *PLACE)


def read(folder, region, background="target_group"):
    """Groups of one region, a list of `glc.sdm.examples.Group`.

    background : ``random``, or ``target_group``; each group has its own of the latter. DataErrors name file, column
    and remedy.
    """
    if region not in REGIONS:
        raise ConfigError(f"unknown region {region!r}; expected one of: {', '.join(REGIONS)}")
    if background not in BACKGROUNDS:
        raise ConfigError(
            f"unknown background {background!r}; expected one of: {', '.join(BACKGROUNDS)}"
            f"{did_you_mean(background, BACKGROUNDS)}"
        )
    folder = Path(folder)
    path = folder / f"{region}_train_po.parquet"
    records = _table(path, ["spid", "group", *PLACE])
    covariates = [name for name in records if name not in _NO_COVARIATES]
    needed = [*PLACE, *covariates]
    _check_values(records, needed, path)
    groups = []
    for name, part in records.groupby("group", sort=True):
        points = folder / f"{region}_train_bg.parquet"
        if background == "target_group":
            points = folder / "tgb" / f"{region}_{name}_tgb.parquet"
        species = sorted(part["spid"].unique())
        sites_path = _per_group(folder, f"{region}_test_env", name)
        sites = _covariates(sites_path, needed, also=["siteid"]).set_index("siteid")[needed]
        examples = presence_only(part, _covariates(points, needed), species, covariates, CATEGORICAL.get(region, ()))
        groups.append(Group(name, examples, sites, _truth(folder, region, name, species, sites)))
    return groups


def files(folder, region):
    """Every file of a region below `folder`, sorted; a DataError where there is none."""
    folder = Path(folder)
    found = sorted([*folder.glob(f"{region}_*.parquet"), *folder.glob(f"tgb/{region}_*.parquet")])
    if not found:
        raise DataError(
            f"{folder}: no file {region}_*.parquet; give the folder of the NCEAS tables (R package disdat, as parquet)"
        )
    return found


def has_published(folder):
    """Whether the folder holds scores of published models."""
    return (Path(folder) / "published").is_dir()


def published(folder):
    """Scores of published models on the same full tests, frame by ``species``: region and one AUC a model.

    maxnet: van den Dool 2023; rf_bg, rf_tgb: a plain down-sampled forest, with random and target-group background.
    """
    folder = Path(folder) / "published"
    frames = []
    for name, wanted in {
        "vandendool2023_per_species.csv": {"region": "region", "auc_maxnet": "maxnet, random"},
        "check_rf_downsampled.csv": {"rf_bg": "forest, random", "rf_tgb": "forest, target_group"},
    }.items():
        # "NA" is no missing value here
        table = _table(folder / name, ["species", *wanted], keep_default_na=False, na_values=[""])
        frames.append(table.set_index("species")[list(wanted)].rename(columns=wanted))
    return frames[0].join(frames[1], how="outer")


def context(folder):
    """Means of Valavi et al. 2023: frame by ``model`` (region, auc, prg, cor, one row a species) of random 5-fold runs.

    Their test is a mean over folds that are not public and over fewer species: context, not the same protocol.
    """
    path = Path(folder) / "published" / "valavi2023_per_species.csv"
    wanted = {"region": "region", "species": "species", "ROC": "auc", "PRG": "prg", "COR": "cor"}
    table = _table(path, ["model", "cv", *wanted], keep_default_na=False, na_values=[""])
    return table[table["cv"] == "random"].set_index("model")[list(wanted)].rename(columns=wanted)


def _truth(folder, region, group, species, sites):
    path = _per_group(folder, f"{region}_test_pa", group)
    if not path.is_file():
        return None
    table = _table(path, ["siteid", *species]).set_index("siteid")
    unknown = sites.index.difference(table.index)
    if len(unknown) or not table.index.is_unique:
        raise DataError(
            f"{path}: column 'siteid': expected each of the {len(sites)} test sites once; found {len(table)} rows, "
            f"{len(unknown)} sites missing; take both test tables from the same release"
        )
    return table.loc[sites.index, species].to_numpy() > 0


def _per_group(folder, stem, group):
    path = folder / f"{stem}_{group}.parquet"
    return path if path.is_file() else folder / f"{stem}.parquet"


def _covariates(path, needed, also=()):
    table = _table(path, [*also, *needed])
    _check_values(table, needed, path)
    return table


def _check_values(table, columns, path):
    for name in columns:
        if not pd.api.types.is_numeric_dtype(table[name]):
            raise DataError(f"{path}: column {name!r} is of type {table[name].dtype}, expected numbers; convert it")
        missing = int((~np.isfinite(table[name].to_numpy(np.float64, na_value=np.nan))).sum())
        if missing:
            raise DataError(
                f"{path}: column {name!r} has {missing} missing values in {len(table)} rows, expected none; "
                "drop these rows or fill them in"
            )


def _table(path, columns, **reading):
    if not path.is_file():
        raise DataError(f"{path}: no such file; give the folder of the NCEAS tables (R package disdat, as parquet)")
    table = pd.read_csv(path, **reading) if path.suffix == ".csv" else pd.read_parquet(path)
    missing = [name for name in columns if name not in table]
    if missing:
        raise DataError(f"{path}: column {missing[0]!r} is missing; found {list(table)}")
    if table.empty:
        raise DataError(f"{path}: found no rows, expected at least one; get the file anew")
    return table
