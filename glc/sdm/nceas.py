"""The NCEAS benchmark (Elith et al. 2020): six regions of presence-only records and independent presence-absence tests.

Read from a folder that the user names. The tables are published as the R package disdat and as CSVs; the layout is
this module's own, a parquet file a table (REGION: AWT, CAN, NSW, NZ, SA, SWI; GROUP: as in the column ``group``)::

    REGION_train_po.parquet         presence records (disPo): spid, group, x, y, covariates
    REGION_train_bg.parquet         10,000 random background points (disBg): x, y, covariates
    tgb/REGION_GROUP_tgb.parquet    target-group background, where others of the group were recorded (Phillips 2009),
                                    not of disdat: x, y, covariates; read for that background only
    REGION_test_env[_GROUP].parquet test sites (disEnv): siteid, x, y, covariates; without GROUP it serves all groups
    REGION_test_pa[_GROUP].parquet  presence and absence at them (disPa): siteid, a column (0, 1) a species; the sites
                                    in any order; may be missing, then there is no truth
    published/*.csv                 scores of published models by species: `PUBLISHED`, `CONTEXT`; each may be missing

Every column of ``train_po`` except spid, group, siteid, occ, x and y is a covariate, and wanted in the region's other
tables of places; their further columns are ignored. x and y are in the region's own system (metres or degrees).
"""

from pathlib import Path

import numpy as np
import pandas as pd

from glc.errors import ConfigError, DataError, did_you_mean
from glc.sdm.sites import PLACE, Group, presence_only
from glc.types import StrPath

REGIONS = ("AWT", "CAN", "NSW", "NZ", "SA", "SWI")
CATEGORICAL = {"CAN": ("ontveg",), "NSW": ("vegsys",), "NZ": ("age", "toxicats"), "SWI": ("calc",)}
"""Covariates that are classes, those that Valavi et al. 2022 declare."""
BACKGROUNDS = ("target_group", "random")
"""The first is the one by which a region's use of the place is decided."""
PUBLISHED = {
    "vandendool2023_per_species.csv": {"auc_maxnet": "maxnet, random"},
    "check_rf_downsampled.csv": {"rf_bg": "forest, random", "rf_tgb": "forest, target_group"},
}
"""Files of published models on the same full tests; of each, beside region and species, the columns of AUC and the
models that they tell of. maxnet: van den Dool 2023; forest: a plain down-sampled one."""
CONTEXT = "valavi2023_per_species.csv"
"""Scores of Valavi et al. 2023: species, model, cv (random or spatial), region, ROC, PRG, COR."""
_NO_COVARIATES = ("siteid", "spid", "occ", "group", *PLACE)
_REMEDY = "give the folder of the NCEAS tables, laid out as glc/sdm/nceas.py tells"


def read(folder, region, background="target_group"):
    """Groups of one region, a list of `glc.sdm.sites.Group`.

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
    """Every file of a region below `folder` that scores follow from (not the truth), sorted; a DataError for none."""
    folder = Path(folder)
    paths = sorted([*folder.glob(f"{region}_*.parquet"), *folder.glob(f"tgb/{region}_*.parquet")])
    paths = [path for path in paths if not path.name.startswith(f"{region}_test_pa")]
    if not paths:
        raise DataError(f"{folder}: no file {region}_*.parquet; {_REMEDY}")
    return paths


def truths(folder, region):
    """The file with the truth of each group of a region, by the group's name; None where there is none."""
    folder = Path(folder)
    names = sorted(_table(folder / f"{region}_train_po.parquet", ["group"])["group"].unique())
    paths = [_per_group(folder, f"{region}_test_pa", name) for name in names]
    return {name: path if path.is_file() else None for name, path in zip(names, paths, strict=True)}


def published_files(folder: StrPath) -> tuple[list[Path], list[str]]:
    """Those of the files of published models that `folder` holds, and the names of those it lacks."""
    folder = Path(folder) / "published"
    paths = [folder / name for name in (*PUBLISHED, CONTEXT)]
    return [path for path in paths if path.is_file()], [path.name for path in paths if not path.is_file()]


def published(folder: StrPath) -> pd.DataFrame | None:
    """Scores of published models on the same full tests, frame by ``species``: region and one AUC a model.

    It tells the models of those files of `PUBLISHED` that are there; None where none is.
    """
    frames = []
    for path in published_files(folder)[0]:
        if path.name in PUBLISHED:
            wanted = PUBLISHED[path.name]
            table = _csv(path, ["species", "region", *wanted]).set_index(["species", "region"])
            frames.append(table[list(wanted)].rename(columns=wanted))
    return pd.concat(frames, axis=1).reset_index("region") if frames else None


def context(folder: StrPath) -> pd.DataFrame | None:
    """Means of Valavi et al. 2023: frame by ``model`` (region, auc, prg, cor, one row per species) of 5 random folds.

    Their test is a mean over folds that are not public and over fewer species: context, not the same protocol. None
    where `CONTEXT` is not there.
    """
    path = Path(folder) / "published" / CONTEXT
    if not path.is_file():
        return None
    wanted = {"region": "region", "species": "species", "ROC": "auc", "PRG": "prg", "COR": "cor"}
    table = _csv(path, ["model", "cv", *wanted])
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


def _table(path, columns):
    if not path.is_file():
        raise DataError(f"{path}: no such file; {_REMEDY}")
    return _checked(pd.read_parquet(path), columns, path)


def _csv(path, columns):
    # "NA" is no missing value here
    return _checked(pd.read_csv(path, keep_default_na=False, na_values=[""]), columns, path)


def _checked(table, columns, path):
    missing = [name for name in columns if name not in table]
    if missing:
        raise DataError(f"{path}: column {missing[0]!r} is missing; found {list(table)}; fetch the file again")
    if table.empty:
        raise DataError(f"{path}: found no rows, expected at least one; fetch the file again")
    return table
