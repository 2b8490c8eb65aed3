"""Pre-training of a location encoder as a Luigi task, on a small raster."""

import json
import shutil

import luigi
import numpy as np
import pytest

from glc import storage
from glc.errors import ConfigError
from glc.location import LocationEncoder
from glc.tasks.location import PretrainLocation
from tests.etl.rasters import geotiff

SMALL = {
    "features": {"name": "harmonics", "degree": 3},
    "network": {"name": "siren", "hidden": 8},
    "image": {"name": "cnn", "channels": [4]},
    "dim": 4,
    "places": 128,
    "size": 2,
    "batch_size": 32,
    "epochs": 1,
    "apart_km": 0,
    "bounds": [5, 39, 11, 45],
}


@pytest.fixture
def raster(tmp_path):
    bands = np.random.default_rng(0).normal(60, 5, (2, 60, 60)).astype(np.float32)
    return geotiff(tmp_path / "globe.tif", bands, step=0.1, west=5, north=45, names=("altitude_m", "land_percent"))


def pretraining(raster, root, label="", **changes):
    luigi.task_register.Register.clear_instance_cache()
    section = json.dumps(SMALL | changes)
    return PretrainLocation(imagery=str(raster), root=str(root), pretraining=section, label=label)


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
    assert whole.published()[0].path == tmp_path / "location" / "globe" / "encoder" / "location.ckpt"


def test_what_cannot_be_read_is_refused_when_the_command_is(raster, tmp_path):
    with pytest.raises(ConfigError, match=r"--imagery .*none.tif: no such file"):
        PretrainLocation(imagery=str(tmp_path / "none.tif"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"--imagery .*: no \*.tif"):
        PretrainLocation(imagery=str(tmp_path / "empty"))
    with pytest.raises(ConfigError, match=r"unknown key 'epoch'.*did you mean 'epochs'"):
        pretraining(raster, tmp_path, epoch=3)
