"""What a net's task gives it of the surveys around and of the place; the file of a location encoder."""

import json
import shutil
from types import SimpleNamespace

import luigi
import numpy as np
import pytest
import torch
from luigi.cmdline_parser import CmdlineParser
from numpy.testing import assert_allclose, assert_array_equal

from glc import schema, storage
from glc.config import Choice, Variant
from glc.errors import ConfigError, DataError
from glc.location import LocationEncoder
from glc.nets.inputs import examples
from glc.tasks import Evaluate
from glc.tasks.location.encoder_file import location_encoder
from glc.tasks.training import Fit, FoldScores
from tests.helpers import survey_data
from tests.tasks.pipeline import TINY, run

GRAPH = {"name": "gfv", "radius_m": 20_000.0, "same": [], "training": "block", "mask": "test"}
GEOLOCATION = Variant("geolocation").changed(validation={"run": 2})


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """A function (seed, training) that gives graph vectors of the dataset's surveys as a task of fold 0 reads them."""
    data = survey_data(n_train=120, n_test=20, folds=4)
    # a third of the test is far away: as many training surveys shall do without
    data.places.loc[data.test[:7], "lon"] += 5
    (tmp_path / examples.CLASSES).write_text(json.dumps(data.species.tolist()))

    def take(rows, seed=0, **more):
        variant = GEOLOCATION.changed(inputs=[{"graph": GRAPH}], train={"seed": seed}, validation={"count": 4})
        task = Fit(root=str(tmp_path), dataset=TINY, experiment=variant.changed(model={"name": "tighnari"}))
        monkeypatch.setattr(task, "read_surveys", lambda: data)
        monkeypatch.setattr(task, "status", lambda message: None)
        monkeypatch.setattr(task, "input", lambda: {"examples": SimpleNamespace(path=tmp_path)})
        with task.open_features(**more) as features:
            numbers = schema.dataset_numbers(data.places["dataset"].iloc[rows])
            return features.of(numbers, data.places["surveyId"].to_numpy()[rows])["gfv"].numpy()[:, :, 0, 0]

    return data, take


def test_neighbours_are_hidden_by_chance_in_training_and_shown_in_a_prediction(opened):
    data, take = opened
    rows = np.setdiff1d(data.train(0), data.valid(1))  # what trains fold 0; clones of other nets predict such surveys
    shown, hidden = take(rows, training=False), take(rows)
    lost = shown.any(axis=1) & ~hidden.any(axis=1)
    assert 0.05 < lost.mean() < 0.6
    assert_array_equal(hidden[~lost], shown[~lost])
    for other in (data.valid(0), data.valid(1), data.test):
        assert_array_equal(take(other), take(other, training=False))


def test_which_neighbours_are_hidden_follows_from_the_seed_of_the_training(opened):
    data, take = opened
    rows = np.setdiff1d(data.train(0), data.valid(1))
    assert_array_equal(take(rows, seed=1), take(rows, seed=1))
    assert (take(rows, seed=1) != take(rows, seed=2)).any()
    assert_array_equal(take(rows, seed=1, training=False), take(rows, seed=2, training=False))


ENCODER = [{"location": "encoder"}]


@pytest.fixture
def checkpoint(tmp_path):
    """The file of a small location encoder, which the command line names."""
    torch.manual_seed(0)
    LocationEncoder(Choice("harmonics", {"degree": 3}), Choice("siren", {"hidden": 8}), 4).save(tmp_path / "a.ckpt")
    settings = luigi.configuration.get_config()
    settings.set("location", "encoder", str(tmp_path / "a.ckpt"))
    yield tmp_path / "a.ckpt"
    settings.remove_section("location")


def net(inputs, task=Fit):
    luigi.task_register.Register.clear_instance_cache()
    return task(root="out", dataset=TINY, experiment=GEOLOCATION.changed(inputs=inputs))


def identity(inputs=ENCODER, task=Fit):
    return net(inputs, task).identity


@pytest.mark.parametrize("task", [Fit, FoldScores])
def test_the_content_of_a_location_encoder_counts_and_not_its_path(checkpoint, tmp_path, task):
    before = identity(task=task)
    shutil.copy(checkpoint, tmp_path / "b.ckpt")
    named = [{"location": {"name": "encoder", "path": str(tmp_path / "b.ckpt")}}]
    assert identity(named, task=task) == before
    LocationEncoder(Choice("xyz"), Choice("siren", {"hidden": 8}), 4).save(tmp_path / "b.ckpt")
    assert identity(named, task=task) != before == identity(task=task)
    text = json.dumps(net(named).own_parameters())
    assert storage.file_digest(tmp_path / "b.ckpt") in text
    assert "b.ckpt" not in text


def test_a_feature_map_counts_with_its_options_and_no_encoder_changes_other_nets(checkpoint):
    harmonics, soil = [{"location": "harmonics"}], [{"table": ["soil"]}]
    assert identity(harmonics) == identity([{"location": {"name": "harmonics", "degree": 40}}])
    others = identity([]), identity(soil), identity(harmonics)
    luigi.configuration.get_config().set("location", "encoder", "")
    assert others == (identity([]), identity(soil), identity(harmonics))


def test_what_is_no_location_encoder_is_refused_before_anything_runs(checkpoint, tmp_path):
    settings = luigi.configuration.get_config()
    (tmp_path / "c.ckpt").write_bytes(b"nothing")
    for path, error, words in (
        ("", ConfigError, "without a path.*--location-encoder.*make location-encoder"),
        (str(tmp_path / "d.ckpt"), ConfigError, "d.ckpt: no such file.*make location-encoder"),
        (str(tmp_path / "c.ckpt"), DataError, "c.ckpt: cannot be read as a location encoder"),
    ):
        settings.set("location", "encoder", path)
        with pytest.raises(error, match=words):
            identity()


def test_every_command_takes_the_file_of_the_encoder(checkpoint, tmp_path):
    shutil.copy(checkpoint, tmp_path / "b.ckpt")
    command = ["Evaluate", "--dataset", TINY, "--location-encoder", str(tmp_path / "b.ckpt")]
    with CmdlineParser.global_instance(command):
        assert location_encoder()[0] == str(tmp_path / "b.ckpt")
    assert location_encoder()[0] == str(checkpoint)


def test_locations_are_of_the_surveys_that_are_asked_for(checkpoint, tmp_path, monkeypatch):
    data = survey_data()

    def reader():
        task = net([*ENCODER, {"location": "raw"}])
        task.root = str(tmp_path)
        monkeypatch.setattr(task, "read_surveys", lambda: data)
        return task

    rows = np.r_[data.test[:3], data.train()[:4], data.presence_only[:5]]
    surveys = schema.dataset_numbers(data.places["dataset"].iloc[rows]), data.places["surveyId"].to_numpy()[rows]
    lon, lat = data.places[["lon", "lat"]].to_numpy()[rows].T
    with reader().open_features() as features:
        assert features.of(*surveys)["location_raw"][7:].isnan().all()
    task = reader()
    with task.open_features((), ("po",)) as features:
        got = features.of(*surveys)
    assert_allclose(got["location_raw"][:, :, 0, 0], np.column_stack([lon / 180, lat / 90]), rtol=1e-6)
    assert_allclose(got["location_encoder"][:, :, 0, 0], LocationEncoder.load(checkpoint).embed(lon, lat), atol=1e-6)
    assert task.facts == {"location_encoder": str(checkpoint)}


@pytest.mark.slow
def test_a_net_is_trained_and_judged_on_a_location_encoder(root, checkpoint):
    base = "geolocation+validation.scheme=random+validation.run=1+train.max_epochs=2+model.latent=8"
    task = Evaluate(
        root=root, dataset=TINY, experiment=f'{base}+model.features=none+po.use=surveys+inputs=[{{location="encoder"}}]'
    )
    assert {"Fit", "FoldScores", "Evaluate"} <= set(run(task))
    metrics = json.loads((task.folder / "metrics.json").read_text())
    assert 0 < metrics["valid"]["sample_f1"] < 1
    weights = torch.load(task.clone(Fit, fold=0).folder / "model.ckpt", weights_only=True)
    assert weights["state_dict"]["layers.0.weight"].shape == (8, 4)
    assert weights["state_dict"]["standards.location_encoder.mean"].abs().sum() > 0
