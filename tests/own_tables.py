"""Small datasets of one's own, in the layouts that `glc.editions.table` reads: the same records in each."""

from pathlib import Path

import numpy as np
import pandas as pd
from pyproj import Transformer

SPECIES = ("Abies alba", "Bellis perennis", "Carex flacca", "Daphne mezereum", "Erica carnea", "Fagus sylvatica")
UTM = "EPSG:25832"
_MOST = 500

SPLOT = """\
title = "sPlotOpen"
doi = "10.25829/idiv.3474-40-3292"
rights = "CC BY 4.0"

[surveys]
file = "sPlotOpen_header.txt"
survey = "PlotObservationID"
lon = "Longitude"
lat = "Latitude"
date = "Date_of_recording"
country = "Country"
area_m2 = "Releve_area"

[surveys.species_file]
file = "sPlotOpen_DT.txt"
survey = "PlotObservationID"
species = "Species"
abundance = "Original_abundance"
"""
WIDE = f"""\
crs = "{UTM}"

[surveys]
file = "plots.csv"
survey = "plot"
lon = "east"
lat = "north"
year = "year"
species_columns = ["*"]

[test]
file = "places.csv"
"""
LONG = """\
[surveys]
file = "records.parquet"
survey = "plot"
lon = "x"
lat = "y"
year = "year"
species = "taxon"

[names]
file = "names.csv"
species = "taxon"
name = "name"
key = "gbif"
"""


def records(n: int = 120, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Plots around 9° E, 46° N, and whether each of `SPECIES` is there: western species in the west."""
    rng = np.random.default_rng(seed)
    lon, lat = rng.uniform(8, 10, _MOST).round(5), rng.uniform(45, 47, _MOST).round(5)
    west = lon < 9
    share = np.where(west[:, None], [0.9, 0.8, 0.7, 0.1, 0.1, 0.5], [0.1, 0.1, 0.2, 0.8, 0.9, 0.5])
    there = rng.random(share.shape) < share
    there[:, 5] |= ~there.any(axis=1)
    plots = pd.DataFrame({"plot": [f"CH-{number:03d}" for number in range(_MOST)], "x": lon, "y": lat})
    return plots.assign(year=rng.integers(1990, 2020, _MOST))[:n], there[:n]


def splot(folder: Path, n: int = 120) -> Path:
    """sPlotOpen's header and species tables, tab separated; a species with abundance 0 is absent."""
    folder.mkdir(parents=True)
    plots, there = records(n)
    header = pd.DataFrame(
        {
            "PlotObservationID": plots["plot"],
            "GIVD_ID": "EU-CH-005",
            "Country": "Switzerland",
            "Longitude": plots["x"],
            "Latitude": plots["y"],
            "Date_of_recording": [f"{year}-06-01" if year % 5 else "NA" for year in plots["year"]],
            "Releve_area": 100,
        }
    )
    header.to_csv(folder / "sPlotOpen_header.txt", sep="\t", index=False)
    row, column = np.nonzero(there)
    species = pd.DataFrame(
        {
            "PlotObservationID": plots["plot"].to_numpy()[row],
            "Species": np.array(SPECIES)[column],
            "Original_abundance": 2.5,
        }
    )
    nothing = pd.DataFrame([[plots["plot"][0], "Gentiana acaulis", 0.0]], columns=species.columns)
    pd.concat([species, nothing]).to_csv(folder / "sPlotOpen_DT.txt", sep="\t", index=False)
    (folder / "dataset.toml").write_text(SPLOT)
    return folder


def wide(folder: Path, n: int = 120, n_test: int = 20) -> Path:
    """A column of abundances per species, coordinates in UTM, and places to predict."""
    folder.mkdir(parents=True)
    plots, there = records(n + n_test)
    east, north = Transformer.from_crs(4326, UTM, always_xy=True).transform(plots["x"], plots["y"])
    plots = plots.assign(east=np.round(east, 2), north=np.round(north, 2)).drop(columns=["x", "y"])
    plots = pd.concat([plots, pd.DataFrame(there * 1.5, columns=SPECIES)], axis=1)
    plots[:n].to_csv(folder / "plots.csv", index=False, sep=";")
    plots.loc[n:, ["plot", "east", "north"]].to_csv(folder / "places.csv", index=False, sep=";")
    (folder / "dataset.toml").write_text(WIDE)
    return folder


def long(folder: Path, n: int = 120) -> Path:
    """A parquet file with one row per survey and species, whose ids are numbers, and a file of names."""
    folder.mkdir(parents=True)
    plots, there = records(n)
    row, column = np.nonzero(there)
    frame = plots.iloc[row].assign(taxon=100.0 + column, plot=1_000 + row).reset_index(drop=True)
    frame.to_parquet(folder / "records.parquet", index=False)
    names = pd.DataFrame({"taxon": 100 + np.arange(6), "name": SPECIES, "gbif": 2_000_000 + np.arange(6)})
    names.to_csv(folder / "names.csv", index=False)
    (folder / "dataset.toml").write_text(LONG)
    return folder
