"""Pre-training of a location encoder as a Luigi task, on a small raster."""

import csv
import shutil
from pathlib import Path

import luigi
import numpy as np
import pandas as pd
import pytest

from glc import config, storage
from glc.config import EncoderPretraining, Variant
from glc.errors import ConfigError
from glc.location import LocationEncoder
from glc.location.pretraining.image_encoder import ImageEncoder
from glc.tasks import Tiles
from glc.tasks.location.pretraining import PretrainLocation, PretrainLocationOnTiles
from tests.rasters.geotiffs import geotiff
from tests.tasks.location.small import SMALL, small
from tests.tasks.pipeline import TINY, run


def pretraining(raster, out, label="", **changes):
    luigi.task_register.Register.clear_instance_cache()
    return PretrainLocation(imagery=str(raster), root=str(out), experiment=small(**changes), label=label)


def test_both_encoders_stand_at_their_stable_place_and_are_not_made_twice(raster, tmp_path):
    task = pretraining(raster, tmp_path / "out", label="small")
    assert luigi.build([task], local_scheduler=True, log_level="WARNING")
    folder = tmp_path / "out" / "location" / "globe" / "small"
    assert {path.name for path in folder.iterdir()} == {"location.ckpt", "image.ckpt", "history.csv"}
    assert LocationEncoder.load(folder / "location.ckpt").embed([7.0], [42.0]).shape == (1, 4)
    facts = storage.manifest(task.folder)
    assert facts["bands"] == ["altitude_m", "land_percent"]
    assert facts["places"] + facts["places_validated"] == 128
    assert str(folder / "location.ckpt") in "\n".join(task.results())

    ran = []
    luigi.Task.event_handler(luigi.Event.SUCCESS)(lambda one: ran.append(one.task_family))
    assert luigi.build(
        [pretraining(raster, tmp_path / "out", label="small")], local_scheduler=True, log_level="WARNING"
    )
    assert ran == []


def test_identity_follows_content_and_options_not_path_or_label(raster, tmp_path):
    first = pretraining(raster, tmp_path).identity
    copy = shutil.copy(raster, tmp_path / "copy") and tmp_path / "copy"
    (tmp_path / "folder").mkdir()
    shutil.copy(raster, tmp_path / "folder" / "globe.tif")
    assert pretraining(tmp_path / "folder" / "globe.tif", tmp_path).identity == first
    assert pretraining(raster, tmp_path / "other", label="x").identity == first
    assert pretraining(raster, tmp_path, leave_out=["altitude_*"]).identity != first
    assert pretraining(raster, tmp_path, dim=5).identity != first
    with open(copy, "ab") as file:
        file.write(b"0")
    shutil.copy(copy, tmp_path / "folder" / "globe.tif")
    assert pretraining(tmp_path / "folder" / "globe.tif", tmp_path).identity != first


def test_encoders_of_other_options_do_not_share_a_stable_place(raster, tmp_path):
    one, two = pretraining(raster, tmp_path), pretraining(raster, tmp_path, leave_out=["altitude_*"])
    assert one.published()[0].path != two.published()[0].path
    whole = PretrainLocation(imagery=str(raster), root=str(tmp_path))
    assert whole.published()[0].path == tmp_path / "location" / "globe" / "location" / "location.ckpt"


def test_what_cannot_be_read_is_refused_when_the_command_is(raster, tmp_path):
    with pytest.raises(ConfigError, match=r"--imagery .*none.tif: no such file"):
        PretrainLocation(imagery=str(tmp_path / "none.tif"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"--imagery .*: no \*.tif and no CSV in this folder"):
        PretrainLocation(imagery=str(tmp_path / "empty"))
    with pytest.raises(ConfigError, match=r"location.toml: location: unknown key 'epoch'.*did you mean 'epochs'"):
        pretraining(raster, tmp_path, epoch=3)


def on_tiles(root, dataset=TINY, label="", **changes):
    section = {key: value for key, value in SMALL.items() if key != "bounds"} | {"size": 8, "holdout": 0.2}
    luigi.task_register.Register.clear_instance_cache()
    experiment = Variant("location-surveys").changed(location=section | changes)
    return PretrainLocationOnTiles(root=root, dataset=dataset, label=label, experiment=experiment)


@pytest.mark.slow
def test_an_edition_s_tiles_make_encoders_of_its_surveys(root):
    task = on_tiles(root, label="first")
    assert {"Tiles", "PretrainLocationOnTiles"} <= set(run(task))
    folder = Path(root) / "location" / "virtual-tiny" / "first"
    assert {path.name for path in folder.iterdir()} == {"location.ckpt", "image.ckpt", "history.csv"}
    assert LocationEncoder.load(folder / "location.ckpt").embed([7.0], [42.0]).shape == (1, 4)
    image = ImageEncoder.load(folder / "image.ckpt")
    assert (image.bands, image.size, image.facts["source"]) == (("red", "green", "blue", "nir"), 8, "tiles")
    facts, tiles = storage.manifest(task.folder), storage.manifest(task.requires()["tiles"].folder)
    drawn = facts["drawn"]
    assert sum(drawn["flags"].values()) == tiles["rows"] == 460
    assert drawn["flags"]["missing"] == tiles["flags"]["missing"] == drawn["causes"]["bad_tile"] > 0
    assert facts["places"] + facts["places_validated"] == 460 - drawn["left_out"]
    with open(folder / "history.csv") as file:
        (row,) = csv.DictReader(file)
    assert np.isfinite(float(row["valid_loss"]))

    assert run(on_tiles(root, label="first")) == []
    other = on_tiles(root, holdout_deg=1.0, places=200)  # the tiles stand
    assert run(other) == ["PretrainLocationOnTiles"]
    facts = storage.manifest(other.folder)
    assert facts["places"] + facts["places_validated"] == 200
    assert other.stable("location.ckpt").is_file()
    assert other.stable("location.ckpt").parent.name == config.file_name(other.settings.name)


def test_the_usual_tiles_are_those_that_nets_read(root):
    usual = PretrainLocationOnTiles(root=root, dataset=TINY)
    assert usual.requires()["tiles"].identity == Tiles(root=root, dataset=TINY).identity
    assert usual.stable("x") == Path(root) / "location" / "virtual-tiny" / "location-surveys" / "x"
    assert on_tiles(root, size=4).requires()["tiles"].block == 4
    parts = PretrainLocationOnTiles(root=root, dataset=TINY, datasets=["pa_test"])
    assert parts.requires()["tiles"].datasets == ("pa_test",)
    assert parts.stable("x").parent.name == f"location-surveys-{parts.identity}"
    raster = PretrainLocationOnTiles(root=root, dataset=TINY, covariate="bioclim", size=16)
    assert raster.identity != usual.identity
    assert raster.requires()["tiles"].size == 16


def test_what_is_usual_needs_no_images_of_the_default(root, tmp_path):
    (tmp_path / "here").mkdir()
    table = {"surveyId": [1, 2], "lon": [5.5, 5.6], "lat": [44.5, 44.6], "speciesId": [3, 4], "year": [2020, 2020]}
    pd.DataFrame(table).to_csv(tmp_path / "here" / "GLC24-PA-metadata-train.csv", index=False)
    pd.DataFrame(table).drop(columns="speciesId").to_csv(tmp_path / "here" / "GLC24-PA-metadata-test.csv", index=False)
    rasters = tmp_path / "rasters"
    rasters.mkdir()
    geotiff(rasters / "altitude_5m.tif", np.ones((1, 30, 30), np.int16), step=0.1)
    here = {"root": root, "dataset": str(tmp_path / "here"), "imagery_folder": str(rasters)}
    task = PretrainLocationOnTiles(**here, covariate="elevation")
    assert task.stable("x").parent.name == f"location-surveys-{task.identity}"
    same = PretrainLocationOnTiles(root=root, dataset=TINY, label="x", threads=2)
    assert same.usual()
    for change in ({"size": 16}, {"datasets": ["po"]}, {"surveys": '{"max_quarantine_fraction":0.5}'}):
        assert not same.clone(**change).usual()


def test_the_side_of_the_squares_counts(root):
    plain = on_tiles(root)
    assert on_tiles(root, holdout_deg=4.0).identity == plain.identity
    assert on_tiles(root, holdout_deg=1.0).identity != plain.identity
    with pytest.raises(ConfigError, match=r"holdout_deg: found 0.0, expected above 0 and at most 90"):
        EncoderPretraining(holdout_deg=0.0)


@pytest.mark.slow
def test_genuine_presence_only_surveys_and_their_images(shared_data, root, tmp_path):
    task = on_tiles(str(tmp_path), str(shared_data / "glc23_sample"), places=64, holdout_deg=1, leave_out=["nir"])
    task = task.clone(datasets=["po"])
    run(task)
    facts = storage.manifest(task.folder)
    assert facts["bands"] == ["red", "green", "blue"]
    assert facts["drawn"]["flags"] == {"ok": 100}
    assert facts["places"] + facts["places_validated"] == 64
