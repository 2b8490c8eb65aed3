"""Folds that are cloned from the first, and inputs that a dataset may lack, through the DAG."""

import json

import luigi
import numpy as np
import pytest

from glc import scores, storage
from glc.config import Variant
from glc.errors import ConfigError, DataError
from glc.tasks import Evaluate
from glc.tasks.training import Fit, FoldScores, fits
from tests.tasks.pipeline import TINY, run

PLAIN = "geolocation+validation.run=2+validation.count=4+train.max_epochs=3+train.learning_rate=0.01"
CLONED = f"{PLAIN}+cross_fusion.use=true+cross_fusion.max_epochs=2+cross_fusion.rate=0.5+scores.average=logits"


@pytest.mark.slow
def test_later_folds_go_on_from_the_first_whose_scores_alone_are_honest(root):
    plain = Evaluate(root=root, dataset=TINY, experiment=PLAIN)
    run(plain)
    task = Evaluate(root=root, dataset=TINY, experiment=CLONED)
    families = run(task)
    assert (families.count("Fit"), families.count("FineTune")) == (0, 1)  # the first fold's net is there already
    first, second = fits(task)
    assert first.folder == fits(plain)[0].folder
    facts = storage.manifest(second.folder)
    assert facts["epochs"] == 2
    assert facts["learning_rate"] == pytest.approx(0.005)

    net = task.requires()["scores"].folder
    honest, fooled = scores.read(net / "valid"), scores.read(net / "optimistic")
    assert set(honest.fold) == {0}
    np.testing.assert_array_equal(honest.surveys, fooled.surveys)
    own, theirs = (task.clone(FoldScores, fold=fold).folder for fold in (0, 1))
    np.testing.assert_allclose(honest.matrix.toarray(), scores.read(own / "valid").matrix.toarray())
    wanted = scores.mean_logits([scores.read(own / "valid"), scores.read(theirs / "first")], 4096)
    np.testing.assert_allclose(fooled.matrix.toarray(), wanted.matrix.toarray(), rtol=1e-6)

    metrics = json.loads((task.folder / "metrics.json").read_text())
    assert metrics["valid"]["surveys"] == metrics["optimistic"]["surveys"] == len(honest.surveys)
    assert metrics["optimistic"]["sample_f1"] != metrics["valid"]["sample_f1"]


def fit(inputs, root="out", dataset=TINY, **known):
    luigi.task_register.Register.clear_instance_cache()
    experiment = Variant("tighnari").changed(inputs=inputs)
    return Fit(root=root, dataset=dataset, experiment=experiment, **known)


def wanted(**more):
    return [
        {"tiles": "sentinel2", "block": 0, **more},
        {"cube": "bioclim", **more},
        {"table": ["elevation", "soil"], **more},
    ]


@pytest.mark.slow
def test_optional_inputs_that_are_not_there_are_left_out_and_named(root, tmp_path):
    (tmp_path / "altitude_5m.tif").write_bytes(b"only its name is looked at")
    task = fit(wanted(optional=True), root, imagery_folder=str(tmp_path))
    assert [one.name for one in task.present] == ["table"]
    assert task.present[0].table == ("elevation",)
    assert task.left_out == ["sentinel2", "bioclim_cube", "soil"]
    families = {type(one).__name__ for one in task.requires().values()}
    assert "Tabular" in families
    assert not families & {"Tiles", "Cubes"}
    before = task.identity
    (tmp_path / "bio_cubes").mkdir()
    (tmp_path / "bio_cubes" / "GLC24-PA-train-bioclimatic_monthly_1_cube.npy").write_bytes(b"")
    again = fit(wanted(optional=True), root, imagery_folder=str(tmp_path))
    assert again.left_out == ["sentinel2", "soil"]
    assert again.identity != before


def test_inputs_that_are_not_optional_and_a_dataset_without_any_are_refused(root, tmp_path):
    task = fit(wanted(optional=True), root, imagery_folder=str(tmp_path))
    with pytest.raises(ConfigError, match="the dataset has none of sentinel2, bioclim_cube, table"):
        _ = task.present
    task = fit(wanted(), root, imagery_folder=str(tmp_path))
    assert len(task.present) == 3
    with pytest.raises(DataError, match="sentinel2"):
        _ = task.identity


def test_a_broken_source_is_no_absent_one(root, tmp_path):
    (tmp_path / "altitude_5m.tif").write_bytes(b"only its name is looked at")
    (tmp_path / "time_series_red.csv").write_text("survey_id;2020_1\n")
    inputs = [{"cube": "series", "optional": True}, {"table": ["elevation"], "optional": True}]
    task = fit(inputs, root, imagery_folder=str(tmp_path))
    with pytest.raises(DataError, match=r"nir.* missing next to"):
        _ = task.present


def test_a_virtual_world_has_what_it_shows(root):
    task = fit(wanted(optional=True), root, "virtual:glc20-tiny")
    assert task.left_out == ["sentinel2", "bioclim_cube", "elevation"]
    assert [one.table for one in task.present] == [("soil",)]
