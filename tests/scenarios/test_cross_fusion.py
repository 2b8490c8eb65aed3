"""Folds that are cloned from the first, and inputs that a dataset may lack, through the DAG."""

import json

import luigi
import numpy as np
import pytest

from glc import config, scores, storage
from glc.errors import ConfigError, DataError
from glc.tasks import Evaluate
from glc.tasks.scores import Fit, FoldScores
from tests.tasks.pipeline import TINY, run

PLAIN = "geolocation+validation.run=2+validation.count=4+train.max_epochs=3+train.learning_rate=0.01"
CLONED = f"{PLAIN}+cross_fusion.use=true+cross_fusion.max_epochs=2+cross_fusion.rate=0.5+scores.average=logits"


def test_later_folds_go_on_from_the_first_whose_scores_alone_are_honest(root):
    plain = Evaluate(root=root, dataset=TINY, experiment=PLAIN)
    run(plain)
    task = Evaluate(root=root, dataset=TINY, experiment=CLONED)
    assert run(task).count("Fit") == 1  # the first fold's net is there already
    first, second = (task.below(Fit, fold=fold) for fold in (0, 1))
    assert first.folder == plain.below(Fit, fold=0).folder
    told = storage.manifest(second.folder)
    assert told["epochs"] == 2
    assert told["learning_rate"] == pytest.approx(0.005)

    net = task.requires()["scores"].folder
    honest, fooled = scores.read(net / "valid"), scores.read(net / "optimistic")
    assert set(honest.fold) == {0}
    np.testing.assert_array_equal(honest.surveys, fooled.surveys)
    own, theirs = (task.below(FoldScores, fold=fold).folder for fold in (0, 1))
    np.testing.assert_allclose(honest.matrix.toarray(), scores.read(own / "valid").matrix.toarray())
    wanted = scores.mean_logits([scores.read(own / "valid"), scores.read(theirs / "first")], 4096)
    np.testing.assert_allclose(fooled.matrix.toarray(), wanted.matrix.toarray(), rtol=1e-6)

    metrics = json.loads((task.folder / "metrics.json").read_text())
    assert metrics["valid"]["surveys"] == metrics["optimistic"]["surveys"] == len(honest.surveys)
    assert metrics["optimistic"]["sample_f1"] != metrics["valid"]["sample_f1"]


def wanted(**more):
    images = config.Input(tiles="sentinel2", block=0, **more)
    cube = config.Input(cube="bioclim", **more)
    return images, cube, config.Input(table=("elevation", "soil"), **more)


def test_optional_inputs_that_are_not_there_are_left_out_and_told(root, tmp_path):
    (tmp_path / "altitude_5m.tif").write_bytes(b"only its name is looked at")
    task = Fit(root=root, dataset=TINY, imagery_folder=str(tmp_path), model="tighnari", inputs=wanted(optional=True))
    assert [one.name for one in task.present] == ["table"]
    assert task.present[0].table == ("elevation",)
    assert task.left_out == ["sentinel2", "bioclim_cube", "soil"]
    families = {type(one).__name__ for one in task.requires().values()}
    assert "Tabular" in families
    assert not families & {"Tiles", "Cubes"}
    before = task.identity
    (tmp_path / "bio_cubes").mkdir()
    (tmp_path / "bio_cubes" / "GLC24-PA-train-bioclimatic_monthly_1_cube.npy").write_bytes(b"")
    luigi.task_register.Register.clear_instance_cache()
    again = Fit(root=root, dataset=TINY, imagery_folder=str(tmp_path), model="tighnari", inputs=wanted(optional=True))
    assert again.left_out == ["sentinel2", "soil"]
    assert again.identity != before


def test_inputs_that_are_not_optional_and_a_dataset_without_any_are_refused(root, tmp_path):
    task = Fit(root=root, dataset=TINY, imagery_folder=str(tmp_path), model="tighnari", inputs=wanted(optional=True))
    with pytest.raises(ConfigError, match="the dataset has none of sentinel2, bioclim_cube, table"):
        _ = task.present
    task = Fit(root=root, dataset=TINY, imagery_folder=str(tmp_path), model="tighnari", inputs=wanted())
    assert len(task.present) == 3
    with pytest.raises(DataError, match="sentinel2"):
        _ = task.identity


def test_a_broken_source_is_no_absent_one(root, tmp_path):
    (tmp_path / "altitude_5m.tif").write_bytes(b"only its name is looked at")
    (tmp_path / "time_series_red.csv").write_text("survey_id;2020_1\n")
    inputs = (config.Input(cube="series", optional=True), config.Input(table=("elevation",), optional=True))
    task = Fit(root=root, dataset=TINY, imagery_folder=str(tmp_path), model="tighnari", inputs=inputs)
    with pytest.raises(DataError, match=r"nir.* missing beside"):
        _ = task.present


def test_a_virtual_world_has_what_it_shows(root):
    task = Fit(root=root, dataset="virtual:glc20-tiny", model="tighnari", inputs=wanted(optional=True))
    assert task.left_out == ["sentinel2", "bioclim_cube", "elevation"]
    assert [one.table for one in task.present] == [("soil",)]
