"""What a model folder keeps of a model's inputs, so that the same values are made later, at any place."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.dataset as ds

from glc import config, registry, storage
from glc.config import Input
from glc.errors import DataError
from glc.etl.metadata import categories
from glc.surveys import SurveyData
from glc.types import Facts, StrPath

ENCODER = "location.ckpt"
"""The location encoder's file in the model folder."""
_PROBE = 64
"""Training surveys whose values are kept, to recognise the same rasters elsewhere."""


def describe(
    inputs: Sequence[Input],
    stored: Mapping[str, Path],
    folders: Sequence[StrPath],
    data: SurveyData,
    out: Path,
    *,
    kind: str,
) -> Facts:
    """Plain values by which `glc.fitted.inputs.read` reads the same inputs.

    inputs : those that the dataset has; a location encoder names its file. Graphs are left out
    stored : name of an input -> output of Tiles, Cubes or Tabular with the training surveys
    folders : of the imagery, in the order in which they were looked at
    data : surveys of the dataset
    out : the model folder; a location encoder's file is copied into it
    kind : of the model, ``net`` or ``classical``
    A DataError tells of image files that are no longer there.
    """
    entries = []
    for wanted in inputs:
        entry = {"name": wanted.name, "input": config.to_dict(wanted)}
        if wanted.table:
            entry |= {"kind": "table"} | _table(wanted, stored[wanted.name], data, kind)
        elif wanted.cube:
            entry |= {"kind": "cube"} | _cube(wanted, stored[wanted.name])
        elif wanted.tiles:
            entry |= _tiles(wanted, stored[wanted.name], folders, data)
        elif wanted.location.name != "none":
            entry |= {"kind": "location"} | _location(wanted, out)
        else:
            continue
        entries.append(entry)
    return {"model": kind, "folders": [str(Path(folder).absolute()) for folder in folders], "inputs": entries}


def _table(wanted, folder, data, kind):
    manifest = storage.manifest(folder)
    if kind == "classical":
        from glc.classical.run import columns_of

        layout, columns = {}, columns_of(manifest, wanted.bands)
    else:
        from glc.nets.inputs.tables import layout_of

        layout = layout_of(wanted, folder).to_dict()
        columns = layout["bands"]
    training = data.places[data.places["dataset"] == data.train_name]
    own = {name: [] for name in wanted.table}
    for column in manifest["columns"]:
        own[_owner(column, wanted.table)].append(column)
    probe = _probe(folder, manifest["columns"], training)
    covariates = [_covariate(name, manifest, own[name], training, probe) for name in wanted.table]
    return {"layout": layout, "columns": list(columns), "covariates": covariates}


def _owner(column, names):
    """The covariate that a column is of: that with the longest name that it starts with."""
    return max((name for name in names if column.startswith(f"{name}_")), key=len)


def _covariate(name, manifest, columns, training, probe):
    """Facts of one covariate of a table: its columns, limits and categories, and some of its values."""
    covariate, prefix = registry.covariates.get(name), len(name) + 1
    of_category = {
        category: members for category, members in manifest["categories"].items() if set(members) <= set(columns)
    }
    owner = {member: category for category, members in of_category.items() for member in members}
    names = list(dict.fromkeys(owner.get(column, column) for column in columns))
    return {
        "name": name,
        "source": manifest["sources"][name],
        "columns": columns,
        "names": [full[prefix:] for full in names],
        "labels": {
            category[prefix:]: [member[len(category) + 1 :] for member in members[:-1]]  # the last is null
            for category, members in of_category.items()
        },
        "known": categories(covariate, training) if covariate.kind == "metadata" else {},
        "limits": {full: manifest["limits"][full] for full in names if full in manifest["limits"]},
        "probe": {
            "lon": probe["lon"].tolist(),
            "lat": probe["lat"].tolist(),
            "values": [[x if np.isfinite(x) else None for x in row] for row in probe[columns].to_numpy(float).tolist()],
        },
    }


def _probe(folder, columns, training):
    """A few training surveys, evenly spaced: frame of lon, lat and their stored values."""
    chosen = training.iloc[np.unique(np.linspace(0, len(training) - 1, min(_PROBE, len(training))).round().astype(int))]
    table = ds.dataset(sorted((folder / "tabular").glob("part-*.parquet"))).to_table(
        columns=["surveyId", *columns],
        filter=(pc.field("dataset") == chosen["dataset"].iloc[0]) & pc.field("surveyId").isin(chosen["surveyId"]),
    )
    return chosen[["surveyId", "lon", "lat"]].merge(table.to_pandas(), on="surveyId")


def _cube(wanted, folder):
    from glc.nets.inputs.selection import CubeSelection

    manifest = storage.manifest(folder)
    facts = {name: manifest.get(name) for name in ("names", "shape", "axes", "years", "terms")}
    facts["terms"] = facts["terms"] or 1
    return {"layout": CubeSelection(wanted, facts, folder).layout.to_dict(), "cube": facts}


def _tiles(wanted, folder, folders, data):
    from glc.fitted.imagery import tiles_of
    from glc.nets.inputs.tables import layout_of
    from glc.rasters.images import ImageCutter

    covariate = tiles_of(wanted)
    entry = {"kind": covariate.kind, "layout": layout_of(wanted, folder).to_dict()}
    if covariate.kind == "images":
        datasets = [data.train_name, *data.places["dataset"].iloc[data.test].unique()]
        sample = data.places[data.places["dataset"].isin(datasets)]
        learned = ImageCutter(covariate, folders, wanted.size, wanted.block or "full", sample).learned
        entry |= {"means": learned.means.tolist(), "all_bytes": bool(learned.all_bytes)}
    return entry


def _location(wanted, out):
    from glc.nets.inputs.selection import PlaceFeatures

    entry = {"layout": PlaceFeatures(wanted).layout.to_dict()}
    if wanted.location.name == "encoder":
        path = Path(wanted.location.options["path"])
        if not path.is_file():
            raise DataError(f"{path}: no such location encoder; expected the file that the net was trained with")
        shutil.copyfile(path, out / ENCODER)
    return entry


def choice_of(entry: Facts, folder: StrPath | None) -> Input:
    """The input of the kind location that an entry describes, whose encoder is the file in the model folder."""
    wanted = config.build(Input, entry["input"], entry["name"])
    if wanted.location.name != "encoder":
        return wanted
    if folder is None:
        raise DataError("a location encoder is in the model folder; give its path")
    return replace(wanted, location=config.Choice("encoder", {"path": str(Path(folder) / ENCODER)}))
