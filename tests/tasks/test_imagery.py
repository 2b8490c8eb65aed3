"""Tiles and cubes as tasks, on the tiny virtual world and on genuine files."""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import luigi
import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
from numpy.testing import assert_allclose

from glc import dct, editions, storage
from glc.errors import ConfigError, MissingError
from glc.etl import cubes, tiles
from glc.tasks import Cubes, Surveys, Tiles, VirtualPart
from tests.tasks.pipeline import TINY, run


def test_tiles_of_images_are_their_low_frequencies(root):
    task = Tiles(root=root, dataset=TINY, covariate="sentinel2")
    assert {"VirtualPart", "Tiles"} <= set(run(task))
    table = pq.read_table(sorted(task.folder.glob("*.parquet"))).to_pandas()
    assert set(table["dataset"]) == {"pa_train", "pa_test"}
    row = table[(table["flag"] == "ok") & (table["dataset"] == "pa_train")].iloc[0]
    survey = f"{row['surveyId']:04d}"
    path = task.imagery / f"PA_Train_SatellitePatches_RGB/pa_train_patches_rgb/{survey[-2:]}/{survey[-4:-2]}"
    with rasterio.open(path / f"{row['surveyId']}.jpeg") as file:
        wanted = dct.compress(file.read().astype(np.float32), 8).reshape(3, -1)
    assert_allclose(np.stack(row[["red", "green", "blue"]]), wanted, rtol=1e-4, atol=1e-2)
    facts = storage.manifest(task.folder)
    assert sum(facts["flags"].values()) == facts["rows"] == len(table)
    assert facts["flags"]["missing"] > 0, "the world leaves some images out, and none may be lost"
    assert run(Tiles(root=root, dataset=TINY, covariate="sentinel2")) == []


def test_two_runs_that_cut_the_same_tiles_do_it_once(root, monkeypatch):
    monkeypatch.setattr(Tiles, "status", lambda *words: None)
    cut, write = [], tiles.write
    monkeypatch.setattr(tiles, "write", lambda *words, **settings: cut.append(True) or write(*words, **settings))
    task = Tiles(root=root, dataset=TINY, covariate="sentinel2", block="5")
    run(task.clone(VirtualPart, part="images"))
    with ThreadPoolExecutor(2) as pool:
        for made in [pool.submit(task.run) for _ in range(2)]:
            made.result()
    assert cut == [True]
    storage.check(task.folder)
    assert not list(task.folder.parent.glob(".*"))


def test_another_block_is_another_output(root):
    one, other = (Tiles(root=root, dataset=TINY, covariate="bioclim", block=block) for block in ("8", "4"))
    assert one.identity != other.identity
    run(other)
    assert len(pq.read_table(sorted(other.folder.glob("*.parquet")))["bio1"][0]) == 16
    assert not one.complete()


def test_cubes_of_series_and_files_have_a_row_for_every_survey(root):
    for kind, shape in (("series", (6, 4, 21)), ("bioclim", (4, 19, 12))):
        task = Cubes(root=root, dataset=TINY, kind=kind)
        run(task)
        keys, values, coeffs = cubes.read(task.folder / "cubes")
        assert values.shape == (460, *shape)
        assert (coeffs is not None) == (kind == "series")
        assert np.isnan(values[(keys["flag"] != "ok").to_numpy()]).all()
        assert 0 < (keys["flag"] == "missing").sum() < 40


def test_names_that_are_not_there_are_refused(root):
    with pytest.raises(ConfigError, match=r"unknown covariate 'sentinel3'.*did you mean 'sentinel2'"):
        Tiles(root=root, dataset=TINY, covariate="sentinel3")
    with pytest.raises(ConfigError, match="--block: found 'all', expected a number of DCT coefficients, or full"):
        Tiles(root=root, dataset=TINY, block="all")


@pytest.mark.slow
def test_genuine_series_and_images_join_by_their_own_ids(shared_data, root):
    # both are in the dataset's own folder, for the named one has none
    known = {"root": root, "dataset": str(shared_data / "glc23_sample")}
    known |= {"imagery_folder": str(shared_data / "rasters_eu")}
    task = Cubes(**known, kind="series", datasets=["po", "pa_train"])
    run(task)
    assert storage.manifest(task.folder)["datasets"]["po"] == {"ok": 100, "missing": 0, "corrupt": 0}
    task = Tiles(**known, covariate="sentinel2", datasets=["po"])
    run(task)
    assert storage.manifest(task.folder)["flags"]["ok"] == 100


def test_images_of_presence_only_surveys_are_a_part_of_their_own_and_asked_for_where_they_are_missing(
    shared_data, root
):
    assert Tiles(root=root, dataset=TINY, datasets=["po"]).requires()["imagery"].part == "po_images"
    assert Tiles(root=root, dataset=TINY).requires()["imagery"].part == "images"
    assert Tiles(root=root, dataset=TINY, covariate="bioclim", datasets=["po"]).requires()["imagery"].part == "rasters"
    alone = {"root": root, "dataset": str(shared_data / "fixtures" / "glc24_pre_extracted")}
    assert Tiles(**alone).files()
    with pytest.raises(ConfigError, match=r"no images of po of covariate 'sentinel2'; expected PO_Train_SatellitePatc"):
        Tiles(**alone, datasets=["po"]).files()


def test_identity_follows_the_files_of_imagery_and_not_their_place(shared_data, root, tmp_path):
    places = [tmp_path / name / "sample" for name in ("one", "two")]
    for place in places:
        shutil.copytree(shared_data / "glc23_sample", place)

    def identities(place):
        tasks = Tiles(root=root, dataset=str(place)), Cubes(root=root, dataset=str(place), kind="series")
        found = [task.identity for task in tasks]
        luigi.task_register.Register.clear_instance_cache()
        return found

    tiles, series = identities(places[0])
    assert identities(places[0]) == identities(places[1]) == [tiles, series]
    next(places[0].rglob("*.jpeg")).unlink()
    assert identities(places[0])[0] != tiles
    assert identities(places[0])[1] == series
    table = next(path for path in places[0].rglob("*.csv") if "series" in path.name.lower())
    table.write_text(table.read_text() + "\n")
    assert identities(places[0])[1] != series


@pytest.mark.parametrize("name", ["images", "cubes"])
def test_a_file_that_is_written_anew_in_its_place_is_noticed(root, tmp_path, name):
    if name == "images":
        file = tmp_path / "PA_Train_SatellitePatches_RGB/pa_train_patches_rgb/01/00/1.jpeg"
        task = {"covariate": "sentinel2"}
    else:
        file = tmp_path / "BioclimTimeSeries" / "GLC24-PA-train-bioclimatic_monthly_1_cube.npy"
        task = {"kind": "bioclim"}
    file.parent.mkdir(parents=True)
    (tmp_path / "PA_Train_SatellitePatches_NIR/pa_train_patches_nir").mkdir(parents=True)

    (tmp_path / "GLC24_PA_metadata_train.csv").write_text("lon,lat,year,surveyId,speciesId\n4,44,2020,1,7\n")

    def content():
        listed = (Tiles if name == "images" else Cubes)(root=root, dataset=str(tmp_path), **task).content()
        assert len(json.dumps(listed)) < 1_000, "a manifest does not list each of millions of files"
        return listed

    file.write_bytes(b"before")
    os.utime(file, ns=(10**18, 10**18))
    folder, before = os.stat(file.parent), content()
    file.write_bytes(b"after!")
    assert (os.stat(file.parent).st_mtime_ns, os.stat(file).st_size) == (folder.st_mtime_ns, 6)
    assert content() != before


def test_a_manifest_will_name_the_raw_files(shared_data, root):
    dataset = shared_data / "glc23_sample"
    surveys = Surveys(root=root, dataset=str(dataset)).raw_files()
    assert {Path(file["path"]) for file in surveys} == {path for _, path in editions.recognise(dataset).files}
    assert all(file["sha256"] == storage.file_digest(file["path"]) for file in surveys)
    series = Cubes(root=root, dataset=str(dataset), kind="series").raw_files()
    assert len(series) >= 6
    assert all(Path(file["path"]).stat().st_size == file["bytes"] for file in series)
    for folder in Tiles(root=root, dataset=str(dataset)).raw_files():
        below = [path for path in Path(folder["path"]).rglob("*") if path.is_file()]
        assert folder["files"] == len(below) > 1
        assert folder["bytes"] == sum(path.stat().st_size for path in below)
        latest = max(path.stat().st_mtime for path in below)
        assert datetime.fromisoformat(folder["modified"]).timestamp() == pytest.approx(latest, abs=1e-3)


def test_what_the_named_folder_lacks_is_taken_from_the_datasets_own(shared_data, root, tmp_path):
    dataset, rasters = (shared_data / name for name in ("fixtures/glc22", "rasters_eu"))
    own = {"root": root, "dataset": str(dataset)}
    both = own | {"imagery_folder": str(rasters)}
    images = Tiles(**both, covariate="aerial", size=16)
    assert images.folders == [rasters, dataset]
    assert images.imagery == rasters
    assert images.identity == Tiles(**own, covariate="aerial", size=16).identity
    assert Tiles(**both, covariate="elevation").files()[0][0] == "altitude_5m.tif"
    with pytest.raises(MissingError, match=f"^{dataset}: no file of covariate 'elevation'"):
        Tiles(**own, covariate="elevation").files()
    with pytest.raises(MissingError, match=f"^{rasters}, {dataset}: no file of covariate 'soil'"):
        Tiles(**both, covariate="soil").files()
    # the named folder comes first
    (tmp_path / "patches-fr").mkdir()
    named = Tiles(**own, imagery_folder=str(tmp_path), covariate="aerial", size=16)
    assert [name for name, *_ in named.files()] == ["patches-fr"]
    assert Tiles(root=root, dataset=TINY, imagery_folder=str(tmp_path)).folders == [tmp_path]


def test_series_and_images_may_be_in_either_folder(shared_data, root):
    own = {"root": root, "dataset": str(shared_data / "glc23_sample"), "datasets": ["po"]}
    both = own | {"imagery_folder": str(shared_data / "rasters_eu")}
    assert Cubes(**both, kind="series").identity == Cubes(**own, kind="series").identity
    assert Tiles(**both, covariate="sentinel2").identity == Tiles(**own, covariate="sentinel2").identity
    absent = Cubes(**both, kind="landsat")
    with pytest.raises(MissingError, match=r"rasters_eu: found no file such as .*; and .*glc23_sample: found no file"):
        absent.files()
