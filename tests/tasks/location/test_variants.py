"""Encoders with bands left out, pre-trained and set side by side, on made-up tables and a small raster."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import luigi
import numpy as np
import pandas as pd
import pytest

from glc.config.fields import Choice
from glc.errors import ConfigError, DataError
from glc.location import LocationEncoder
from glc.location.downstream import sources
from glc.location.downstream.problems import LOCATION_TARGETS
from glc.location.downstream.sources import ALL
from glc.tasks.location.variants import rows
from tasks import location_2024
from tests.location import places
from tests.rasters.geotiffs import geotiff
from tests.tasks.location.small import small

HEAD = {"width": 8, "epochs": 1, "least_steps": 3, "batch": 256}
WHOLE = [-180.0, -90.0, 180.0, 90.0]


def tiny(**changes):
    return small(**{"regression": 0.0, "bounds": WHOLE} | changes).changed(head=HEAD)


ALL_BANDS = "encoder, all bands"
WITHOUT_OWN = "encoder, without the target's bands"
WITHOUT_CLIMATE = "encoder, without temperature and altitude"


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Folders and files of a run."""
    folder = tmp_path_factory.mktemp("given")
    places.write_location(folder / "location")
    places.write_habitats(folder / "habitats")
    places.write_raster(folder / "globe.tif")
    return folder


@pytest.fixture(autouse=True)
def _little(monkeypatch):
    monkeypatch.setattr(sources, "DEGREES", (2,))
    monkeypatch.setattr("glc.report.location.fibonacci.__defaults__", (300,))


def variants(given, root, **changes):
    luigi.task_register.Register.clear_instance_cache()
    wanted = {
        "places": str(given / "location"),
        "imagery": str(given / "globe.tif"),
        "experiment": tiny(),
        "threads": 1,
        "seeds": 1,
    }
    return location_2024.Variants(root=str(root), **(wanted | changes))


@pytest.mark.slow
def test_all_variants_are_pre_trained_and_set_side_by_side_once(given, tmp_path):
    task = variants(given, tmp_path, habitats=str(given / "habitats"), pretraining_seeds=2)
    assert luigi.build([task], local_scheduler=True, log_level="WARNING")

    bands = {}
    for one in task.requires():
        folder = one.stable("x").parent
        facts = LocationEncoder.load(folder / "location.ckpt").facts
        bands[one.label.removeprefix(f"{task.settings.name}-")] = set(facts["bands"])
        assert facts["options"]["seed"] == int("seed-1" in one.label)
    everything = {"altitude_m", "tmean_01_x10_degc", "land_percent"}
    left = {
        "all-bands": everything,
        "without-altitude": everything - {"altitude_m"},
        "without-tmean": everything - {"tmean_01_x10_degc"},
        "without-altitude-tmean": {"land_percent"},
    }
    assert bands == left | {f"{label}-seed-1": seen for label, seen in left.items()}

    table = pd.read_csv(tmp_path / "tables/location/location_2024-downstream.csv", keep_default_na=False)
    table = table[table["folds"] == "fold_block10"].groupby("row")["target"].agg(set)
    every = {target.name for target in LOCATION_TARGETS}
    climate = {"altitude_m", "tmean_annual_c"}
    for seed in ("", " (seed 1)"):
        for beside in ("", " + harmonics, L = 2"):
            assert table[f"{ALL_BANDS}{seed}{beside}"] == table[f"{WITHOUT_OWN}{seed}{beside}"] == every
            assert table[f"{WITHOUT_CLIMATE}{seed}{beside}"] == climate
    assert table["raster-read, without the target's bands"] == every  # of the imagery, which is one file
    tables = task.downstream().requires()
    habitats = [label for label in tables["habitats"].rows() if label.startswith("encoder") and "+" not in label]
    assert habitats == [ALL_BANDS, f"{ALL_BANDS} (seed 1)"]

    # what predicts the places without labels was not told the answer
    chosen = json.loads((tables["location"].folder / "chosen.json").read_text())
    for target, found in chosen.items():
        told = {label for label in found["not asked"] if not label.startswith("encoder, all bands")}
        assert told == set()
        assert (ALL_BANDS in found["not asked"]) == (f"{ALL_BANDS} (seed 1)" in found["not asked"])
        assert (ALL_BANDS in found["not asked"]) == (target in climate)
    assert chosen["altitude_m"]["not asked"][ALL_BANDS] == "its imagery had altitude_m"
    assert (tmp_path / "location" / "query_predictions.parquet").is_file()
    assert task.results() == task.downstream().results()

    ran = []
    luigi.Task.event_handler(luigi.Event.SUCCESS)(lambda one: ran.append(one.task_family))
    again = variants(given, tmp_path, habitats=str(given / "habitats"), pretraining_seeds=2)
    assert luigi.build([again], local_scheduler=True, log_level="WARNING")
    assert ran == []
    assert not variants(given, tmp_path, habitats=str(given / "habitats"), pretraining_seeds=3).complete()


def test_a_row_leaves_out_the_bands_that_are_there():
    none = {target.name: () for target in LOCATION_TARGETS}
    assert rows(["altitude_m", "tmean_01", "tmean_02", "land"]) == {
        ALL_BANDS: {ALL: ()},
        WITHOUT_OWN: none | {"altitude_m": ("altitude",), "tmean_annual_c": ("tmean",)},
        WITHOUT_CLIMATE: dict.fromkeys(("altitude_m", "tmean_annual_c"), ("altitude", "tmean")),
    }
    assert rows(["land", "prec_01"]) == {ALL_BANDS: {ALL: ()}, WITHOUT_OWN: none | {"prec_annual_mm": ("prec",)}}
    assert rows(["land", "altitude"])[WITHOUT_CLIMATE]["tmean_annual_c"] == ("altitude",)
    assert rows(["land", "red"]) == {ALL_BANDS: {ALL: ()}}


def test_the_pretraining_s_own_settings_stay(given, root_free, caplog):
    task = variants(given, root_free, experiment=tiny(leave_out=["tmean_*"], seed=4), pretraining_seeds=2)
    own = task.settings.location
    with caplog.at_level(logging.INFO, "glc"):
        name = f"{task.settings.name}-"
        made = {one.label.removeprefix(name): one.settings.location for one in task.requires()}
    assert made == {
        "all-bands": own,
        "without-altitude": replace(own, leave_out=("tmean_*", "altitude*")),
        "all-bands-seed-5": replace(own, seed=5),
        "without-altitude-seed-5": replace(own, leave_out=("tmean_*", "altitude*"), seed=5),
    }
    assert f"{WITHOUT_OWN} (seed 5)" in task.variants
    assert [one.split(": ")[1] for one in caplog.messages] == [
        "no band begins with prec",
        "no band begins with tmean",
    ]


def test_encoders_of_the_usual_pretraining_have_short_names(given, root_free):
    task = variants(given, root_free, experiment="location")
    asked = {one.label.removeprefix("location-"): one for one in task.requires()}
    alone = [f"{label}-contrast-alone" for label in ("all-bands", "without-altitude", "without-tmean")]
    assert set(asked) == {"all-bands", "without-altitude", "without-tmean", "without-altitude-tmean", *alone}
    assert [asked[label].settings.location.regression for label in ("all-bands", *alone)] == [10, 0, 0, 0]
    row = task.variants[f"{WITHOUT_OWN}, poster's loss alone"]
    assert row["altitude_m"] == asked["without-altitude-contrast-alone"]
    assert row["country_code"] == asked["all-bands-contrast-alone"]
    stable = asked["without-altitude"].stable("location.ckpt")
    assert stable == root_free / "location" / "globe" / "location-without-altitude" / "location.ckpt"


def test_the_raster_read_is_the_imagery_if_it_is_one_file(given, root_free, tmp_path):
    globe = str(given / "globe.tif")
    assert variants(given, root_free).raster_read() == globe
    assert variants(given, root_free, raster="none").raster_read() == ""
    assert variants(given, root_free, imagery=str(given)).raster_read() == ""
    assert variants(given, root_free, imagery=str(given), raster=globe).raster_read() == globe


def test_what_would_fail_after_the_training_is_refused_before(given, root_free, tmp_path):
    with pytest.raises(ConfigError, match="--pretraining-seeds: found 0, expected at least 1"):
        variants(given, root_free, pretraining_seeds=0)
    with pytest.raises(ConfigError, match=r"leave_out: found 'red', which is not a band"):
        variants(given, root_free, experiment=tiny(leave_out=["red"])).requires()
    part = np.ones((2, 20, 20), np.float32)
    path = geotiff(tmp_path / "part.tif", part, step=1, west=5, north=45, names=("altitude_m", "land_percent"))
    with pytest.raises(DataError, match=r"places lie outside.*; or leave out the raster-read rows: --raster none"):
        variants(given, root_free, imagery=str(path)).requires()
    assert variants(given, root_free, imagery=str(path), raster="none").requires()
    path = geotiff(tmp_path / "one.tif", part[:1], step=1, west=5, north=45, names=("altitude_m",))
    with pytest.raises(ConfigError, match=r"leave_out: found \['altitude\*'\], which leaves no band"):
        variants(given, root_free, imagery=str(path), raster="none").requires()
    saved = LocationEncoder(Choice("xyz"), Choice("siren"), 4, {"bands": ["land_percent"]})
    saved.save(tmp_path / "other.ckpt")
    other = str(tmp_path / "other.ckpt")
    assert variants(given, root_free, encoders={"other": other}).requires()
    with pytest.raises(ConfigError, match="a variant has that label"):
        variants(given, root_free, encoders={ALL_BANDS: other}).requires()


@pytest.fixture
def root_free(tmp_path):
    """A root in which nothing was made."""
    return Path(tmp_path) / "out"
