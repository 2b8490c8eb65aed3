"""Patches around the globe and the virtual globe as Luigi tasks."""

import zipfile
from pathlib import Path

import luigi
import numpy as np
import pandas as pd
import pytest

from glc import storage
from glc.errors import ConfigError, DataError
from glc.location.downstream import sources
from glc.tasks import GlobePatches, LocatedImage, LocationErrors, PretrainLocation, VirtualGlobe
from glc.world import globe
from tasks.location_2024 import Localise, Variants
from tests.rasters.geotiffs import geotiff
from tests.tasks.location.small import small

GLOBE = "virtual:globe-tiny"
WORLD = [-180.0, -90.0, 180.0, 90.0]
EXPERIMENT = small("location-patches", bounds=WORLD, holdout=0.2).changed(localisation={"gallery": 300, "queries": 30})


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("globe")


def run(task):
    """Families of the tasks that ran."""
    ran = []
    note = luigi.Task.event_handler(luigi.Event.SUCCESS)(lambda task: ran.append(task.task_family))
    try:
        assert luigi.build([task], local_scheduler=True, log_level="WARNING")
    finally:
        luigi.Task._event_callbacks[luigi.Task][luigi.Event.SUCCESS].discard(note)
    return ran


def localise(root, **settings):
    luigi.task_register.Register.clear_instance_cache()
    return Localise(root=str(root), imagery=GLOBE, experiment=EXPERIMENT, **settings)


def test_from_nothing_to_the_places_of_patches_and_of_an_image(root, tmp_path):
    assert run(localise(root)) == [
        "VirtualGlobe", "GlobePatches", "PretrainLocation", "LocationErrors", "location_2024.Localise",
    ]  # fmt: skip
    errors = localise(root).clone(LocationErrors)
    metrics = pd.read_csv(errors.folder / "metrics.csv")
    assert list(metrics["line"]) == ["gallery", "ceiling", "chance"] * 2
    assert "image net cnn, from random weights" in errors.pretrained().results()
    patches = errors.prepared()[0]
    assert storage.manifest(patches.folder)["patches"] == globe.GLOBES["globe-tiny"].patches

    with zipfile.ZipFile(VirtualGlobe(globe="globe-tiny", root=str(root)).folder / globe.PATCHES) as archive:
        image = tmp_path / "mine.tif"
        image.write_bytes(archive.read("images/patch_00007.tif"))
    assert run(localise(root, image=str(image))) == ["LocatedImage", "location_2024.Localise"]
    found = localise(root, image=str(image)).clone(LocatedImage)
    best = pd.read_csv(found.published()[1].path)
    assert best["km"].isna().all()
    assert best["similarity"].is_monotonic_decreasing
    index = pd.read_parquet(patches.folder / "places.parquet")
    lon, lat = index.loc[7, ["lon", "lat"]]
    here = localise(root, image=str(image), at=f"{lon:.5f},{lat:.5f}").clone(LocatedImage)
    assert run(here) == ["LocatedImage"]
    known = pd.read_csv(here.published()[1].path)
    assert known["km"].notna().all()
    np.testing.assert_allclose(known["similarity"], best["similarity"])

    # with encoders that are there, patches are prepared as these see them
    folder = errors.pretrained().stable("location.ckpt").parent
    given = localise(root, encoder=str(folder)).clone(LocationErrors)
    assert [task.identity for task in given.prepared()] == [patches.identity]


def test_patches_of_a_folder_count_by_their_files(tmp_path):
    folder = tmp_path / "patches"
    folder.mkdir()
    for row in range(3):
        geotiff(folder / f"{row}.tif", np.full((2, 4, 4), row, np.uint8), step=0.1)
    (folder / "index.csv").write_text("fn,lon,lat\n0.tif,1,2\n1.tif,3,4\n2.tif,5,6\n")

    def task(**changes):
        luigi.task_register.Register.clear_instance_cache()
        return PretrainLocation(root=str(tmp_path), imagery=str(folder), experiment=small(**changes))

    assert task().patches
    first = task().identity
    assert task(size=4).identity != first
    assert task(size=4).requires()["patches"].identity != task().requires()["patches"].identity
    (folder / "index.csv").write_text("fn,lon,lat\n0.tif,1,2\n1.tif,3,4\n2.tif,5,7\n")
    assert task().identity != first
    (folder / "1.tif").unlink()
    with pytest.raises(DataError, match=r"1 of 3 patches are missing or cannot be used, more than 5%: 1.tif: missing"):
        task().requires()["patches"].check()


def test_pre_trained_weights_count_by_content_and_are_asked_for_before_training(raster, tmp_path):
    def task(path):
        luigi.task_register.Register.clear_instance_cache()
        experiment = small(image={"name": "timm", "net": "resnet18", "weights": str(path)})
        return PretrainLocation(root=str(tmp_path), imagery=str(raster), experiment=experiment)

    with pytest.raises(
        ConfigError, match=r"weights: found no file or folder .*none\.pth, expected weights of resnet18"
    ):
        task(tmp_path / "none.pth").check()
    (tmp_path / "a.pth").write_text("a")
    first = task(tmp_path / "a.pth").identity
    (tmp_path / "a.pth").write_text("b")
    assert task(tmp_path / "a.pth").identity != first


def test_what_is_no_imagery_is_refused_when_the_command_is_read(tmp_path):
    with pytest.raises(ConfigError, match=r"found 'virtual:glob', expected virtual:globe or .*did you mean"):
        GlobePatches(imagery="virtual:glob", size=4)
    (tmp_path / "p.tar.gz").write_text("")
    with pytest.raises(ConfigError, match="found a file compressed as a whole"):
        GlobePatches(imagery=str(tmp_path / "p.tar.gz"), size=4)


def test_a_virtual_globe_is_not_compared_with_the_real_one(root, raster):
    luigi.task_register.Register.clear_instance_cache()
    task = Variants(root=str(root), places=GLOBE, imagery=str(raster), experiment=small())
    with pytest.raises(ConfigError, match="one is a virtual globe and one is not"):
        task.requires()


@pytest.mark.slow
def test_experiments_a_and_b_run_on_the_virtual_globe(root, monkeypatch):
    monkeypatch.setattr(sources, "DEGREES", (2,))
    monkeypatch.setattr("glc.report.location.fibonacci.__defaults__", (300,))
    luigi.task_register.Register.clear_instance_cache()
    head = {"width": 8, "epochs": 1, "least_steps": 3, "batch": 256}
    experiment = EXPERIMENT.changed(head=head, location={"regression": 0.0})
    task = Variants(root=str(root), places=GLOBE, imagery=GLOBE, experiment=experiment, seeds=1)
    assert "location_2024.Variants" in run(task)
    table = pd.read_csv(Path(root) / "tables" / "virtual-globe-tiny" / "location_2024-downstream.csv")
    assert {"country_code", "prec_annual_mm"} <= set(table["target"])
    assert "encoder, all bands" in set(table["row"])
