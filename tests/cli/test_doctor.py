"""``glc doctor --dataset``: what reading finds, doctor finds, and the run after it reads no more."""

import re

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from glc import storage
from glc.cli import doctor
from glc.cli.commands import app
from glc.tasks import Surveys
from tests import own_tables
from tests.rasters.geotiffs import geotiff


@pytest.fixture(scope="module")
def plots(tmp_path_factory):
    """Plots around 9° E, 46° N; 30 at one place, one in a year to come, one row without a place."""
    folder = own_tables.wide(tmp_path_factory.mktemp("odd") / "plots", n=200)
    frame = pd.read_csv(folder / "plots.csv", sep=";", dtype=str)
    frame.loc[:29, ["east", "north"]] = "500000.00", "5100000.00"
    frame.loc[40, "year"] = "2095"
    frame.loc[50, "east"] = ""
    frame.to_csv(folder / "plots.csv", sep=";", index=False)
    return folder


@pytest.fixture(scope="module")
def tables(spark, plots, tmp_path_factory):
    """Finished output of `Surveys`, made by doctor: (root, what doctor printed)."""
    root = tmp_path_factory.mktemp("out")
    result = CliRunner().invoke(app, ["doctor", "--dataset", str(plots), "--root", str(root)])
    assert result.exit_code == 0, result.output
    return root, result.stdout


def test_doctor_prints_what_the_data_are_and_what_is_odd_about_them(tables, plots):
    _, text = tables
    assert "note    data     199 surveys, 20 test surveys, 6 species, 8.0–10.0° E 45.0–47.0° N (Italy " in text
    assert "30 of 199 surveys share one place (the centre of a country or of a grid cell?) (lon 9" in text
    assert "1 of 199 surveys have a year after" in text
    assert "the latest year, 2095, unless" in text
    assert re.search(r"\d of \d+ rows of plots.csv are left out: missing coordinate \(line 52, lon: empty\)", text)
    assert text.splitlines()[-1] == "ready"


def test_a_run_finds_the_tables_that_doctor_has_made(tables, plots):
    root, _ = tables
    assert Surveys(root=str(root), dataset=str(plots)).complete()


def test_the_results_of_a_run_say_what_is_odd(tables, plots):
    root, _ = tables
    line, *odd = Surveys(root=str(root), dataset=str(plots)).results()
    assert line.startswith("  data       199 surveys, 20 test surveys, 6 species, ")
    assert [text[13:].split(" of ")[0] for text in odd[:2]] == ["1", "30"]
    assert "are left out: missing coordinate" in odd[2]


def test_doctor_opens_the_rasters_of_a_dataset_and_says_what_they_cover(tables, plots):
    root, _ = tables
    folder = Surveys(root=str(root), dataset=str(plots)).folder
    rasters = {
        "altitude_5m.tif": (7, 3.5),  # west end, width in degrees
        "imagery_15m.tif": (9, 2.0),
        "land_fraction.tif": (60, 3.5),
    }
    for name, (west, width) in rasters.items():
        bands = np.ones((26 if name.startswith("imagery") else 1, 40, round(10 * width)), np.float32)
        geotiff(plots / name, bands, step=0.1, west=west, north=48)
    (plots / "koeppen_geiger.tif").write_bytes(b"no raster")
    try:
        checks = list(doctor.rasters(str(plots), folder, storage.manifest(folder)))
    finally:
        for name in (*rasters, "koeppen_geiger.tif"):
            (plots / name).unlink()
    found = {check.finding.split()[0].rstrip(":"): check for check in checks}
    states = {"elevation": "ok", "globe": "note", "land": "missing", "koeppen": "missing"}
    assert {name: check.state for name, check in found.items()} == states
    assert found["elevation"].finding == "elevation: 1 bands, 100% of the surveys"
    assert "covers none of the surveys" in found["land"].remedy
    assert "cannot be opened as a raster" in found["koeppen"].remedy


def test_doctor_says_why_a_dataset_cannot_be_read_and_needs_no_root_for_it(spark, tmp_path):
    folder = own_tables.wide(tmp_path / "plots", n=40)
    frame = pd.read_csv(folder / "plots.csv", sep=";", dtype=str)
    frame.loc[:9, "year"] = "soon"
    frame.to_csv(folder / "plots.csv", sep=";", index=False)
    (tmp_path / "file").touch()
    root = tmp_path / "file" / "out"
    result = CliRunner().invoke(app, ["doctor", "--dataset", str(folder), "--root", str(root)])
    assert result.exit_code == 1
    text = " ".join(result.stdout.split())
    assert re.search(r"missing data cannot be read plots.csv: \d+ of \d+ rows cannot be used", text)
    assert "unknown date, as in line 2, column 'year': found 'soon'" in text
    assert "2 needed things are missing" in text
    assert {path.name for path in tmp_path.iterdir()} == {"plots", "file"}
