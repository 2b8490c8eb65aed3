"""Pre-training on a small world whose imagery follows from the place."""

import csv
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from glc.config import Choice, EncoderPretraining
from glc.errors import DataError
from glc.location import LocationEncoder
from glc.location.pretraining import sampling, train
from glc.location.pretraining.image_encoder import ImageEncoder
from glc.location.pretraining.sampling import uniform
from glc.location.pretraining.scenes import Scenes
from glc.training import resume
from glc.training.machine import Machine


def scenes(n=1500, seed=0):
    """Three bands of 2 x 2 pixels: smooth waves of the place, whose units differ."""
    lon, lat = uniform(n, (-180.0, -90.0, 180.0, 90.0), np.random.default_rng(seed))
    x, y = np.radians(lon), np.radians(lat)
    bands = np.stack([np.sin(y) * 300, np.cos(y) * np.cos(x), np.cos(y) * np.sin(x) * 50 + 7], axis=1)
    tiles = np.broadcast_to(bands[:, :, None, None], (n, 3, 2, 2)).astype(np.float32).copy()
    return Scenes(lon, lat, tiles, ("height", "east", "north"), {})


def options(**changes):
    small = {
        "features": Choice("harmonics", {"degree": 4}),
        "network": Choice("siren", {"hidden": 32, "omega_first": 3.0}),
        "image": Choice("cnn", {"channels": [16]}),
        "dim": 16,
        "places": 1500,
        "size": 2,
        "holdout": 0.2,
        "batch_size": 64,
        "epochs": 4,
        "learning_rate": 1e-2,
        "regression": 0.0,
    }
    return EncoderPretraining(**small | changes)


def fit(out, data=None, **changes):
    out.mkdir()
    return train.fit(data or scenes(), out, options(**changes), Machine("cpu", threads=1, progress=False))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "out"
    return out, fit(out)


def test_held_out_places_find_their_images(trained):
    out, facts = trained
    with open(out / "history.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    assert list(rows[0]) == list(train.COLUMNS)
    assert float(rows[-1]["valid_loss"]) < 0.6 * np.log(64)
    assert float(rows[-1]["valid_loss"]) < float(rows[0]["valid_loss"])
    assert facts["valid_images_found"] > 10 / 64
    assert rows[-1]["train_band_error"] == ""
    assert facts["places"] + facts["places_validated"] == 1500
    assert facts["steps"] == 4 * (facts["places"] // 64)
    assert facts["places_left_by_last_epoch"] == facts["places"] % 64


def test_the_two_encoders_meet_in_one_space(trained):
    out, facts = trained
    location, image = LocationEncoder.load(out / "location.ckpt"), ImageEncoder.load(out / "image.ckpt")
    new = scenes(300, seed=5)
    similar = location.embed(new.lon, new.lat) @ image.embed(new.tiles).T
    rank = (similar >= np.diag(similar)[:, None]).sum(axis=1)
    assert np.median(rank) < 30  # of 300; by chance 150
    assert location.facts["bands"] == ["height", "east", "north"]
    assert location.facts["options"]["dim"] == 16
    assert facts["temperature"] != pytest.approx(0.07, abs=1e-4)


def test_shuffled_images_teach_nothing(tmp_path):
    """The loss of places that do not go with the images is log of the batch or more: no path leaks the pair."""
    data = scenes()
    mixed = np.random.default_rng(0).permutation(data.tiles)
    facts = fit(tmp_path / "mixed", Scenes(data.lon, data.lat, mixed, data.bands, {}))
    assert facts["valid_loss"] > np.log(64) - 0.05
    assert facts["valid_images_found"] < 0.08


def test_same_seed_same_weights(tmp_path):
    lon, lat = uniform(50, (-180.0, -90.0, 180.0, 90.0), np.random.default_rng(7))
    made = {}
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        fit(tmp_path / name, epochs=1, seed=seed)
        made[name] = LocationEncoder.load(tmp_path / name / "location.ckpt").embed(lon, lat)
    assert np.array_equal(made["one"], made["two"])
    assert not np.allclose(made["one"], made["three"])


def test_bands_can_be_read_off_embeddings_that_were_asked_to_tell_them(tmp_path):
    facts = fit(tmp_path / "told", regression=5.0)
    assert facts["valid_band_error"] < 0.2  # of 1 by the mean alone
    new, old = scenes(400, seed=8), scenes(400, seed=9)
    encoder = LocationEncoder.load(tmp_path / "told" / "location.ckpt")
    known, asked = (np.c_[encoder.embed(s.lon, s.lat), np.ones(400)] for s in (old, new))
    weights, *_ = np.linalg.lstsq(known, old.tiles[:, :, 0, 0], rcond=None)
    error = ((asked @ weights - new.tiles[:, :, 0, 0]) ** 2).mean(axis=0) / new.tiles[:, :, 0, 0].var(axis=0)
    assert error.max() < 0.2


def test_too_few_places_are_told(tmp_path):
    data = scenes(4)
    one = Scenes(data.lon[:1], data.lat[:1], data.tiles[:1], data.bands, {})
    with pytest.raises(DataError, match="0 places to train on and 1 to validate on, expected 2 or more"):
        fit(tmp_path / "few", one)


def test_a_region_within_one_square_needs_smaller_ones(tmp_path):
    lon, lat = uniform(300, (5.0, 43.0, 7.0, 45.0), np.random.default_rng(0))
    region = Scenes(lon, lat, scenes(300).tiles, ("height", "east", "north"), {})
    told = r"0 places to train on and 300 to validate on.* squares of 4 degrees .* make them smaller \(holdout_deg\)"
    with pytest.raises(DataError, match=told):
        fit(tmp_path / "whole", region, apart_km=0)
    (tmp_path / "parts").mkdir()
    machine = Machine("cpu", threads=1, progress=False)
    facts = train.fit(region, tmp_path / "parts", options(apart_km=0, epochs=1, holdout_deg=0.5), machine)
    assert 60 <= facts["places_validated"] < 100  # a fifth, to a square of sixteen
    assert facts["places"] + facts["places_validated"] == 300


def test_epochs_are_validated_where_places_apart_fill_fewer_batches_than_there_are_places_for(tmp_path):
    """Crowded places: passes over them differ in the number of batches that can be filled."""
    rng = np.random.default_rng(0)
    lon, lat = uniform(1500, (-180.0, -90.0, 180.0, 90.0), rng)
    lon[:500], lat[:500] = uniform(500, (5.0, 43.0, 15.0, 53.0), rng)
    data = Scenes(lon, lat, scenes().tiles, ("height", "east", "north"), {})
    facts = fit(tmp_path / "crowd", data, apart_km=400, epochs=3)
    with open(tmp_path / "crowd" / "history.csv") as file:
        rows = list(csv.DictReader(file))
    assert all(np.isfinite(float(row["valid_loss"])) for row in rows)
    assert 0 < facts["steps"] < 3 * (facts["places"] // 64)
    assert facts["steps"] % 3 == 0
    assert facts["places_left_by_last_epoch"] == facts["places"] - 64 * facts["steps"] // 3


def test_loaders_go_through_their_passes_in_turn():
    data = scenes(400)
    loader = train.Loader(data, np.arange(100, 400), 32, 300.0, 1, passes=3)
    passes = [np.concatenate([batch["lon"].numpy() for batch in loader]) for _ in range(4)]
    assert {len(one) for one in passes} == {32 * len(loader)}
    assert loader.left == 300 - 32 * len(loader)
    assert not np.array_equal(passes[0], passes[1])
    assert np.array_equal(passes[0], passes[3])
    drawn = next(iter(sampling.Batches(data.lon[100:], data.lat[100:], 32, 300.0, 1)))
    assert np.array_equal(passes[0][:32], data.lon[100:][drawn])


def test_a_trained_encoder_knows_no_date_line_and_one_pole(trained):
    encoder = LocationEncoder.load(trained[0] / "location.ckpt")
    lat = np.linspace(-90, 90, 37)
    west, east = (encoder.embed(np.full(37, lon), lat) for lon in (-180.0, 180.0))
    assert_allclose(west, east, atol=1e-6)
    near = encoder.embed(np.full(37, -179.999), lat)
    assert_allclose(near, east, atol=1e-3)
    lon = np.linspace(-180, 180, 25)
    for pole in (-90.0, 90.0):
        here = encoder.embed(lon, np.full(25, pole))
        assert_allclose(here, np.broadcast_to(here[0], here.shape), atol=1e-6)
    # the checks above could be passed by an encoder that tells no places apart
    assert np.abs(encoder.embed([0.0], [0.0]) - encoder.embed([180.0], [0.0])).max() > 0.1


@pytest.mark.parametrize("name", ["harmonics", "xyz"])
@pytest.mark.parametrize("network", ["siren", "mlp"])
def test_untrained_encoders_on_the_sphere_know_none_either(name, network):
    torch.manual_seed(1)
    encoder = LocationEncoder(Choice(name), Choice(network), 8)
    lat = np.linspace(-90, 90, 37)
    assert_allclose(encoder.embed(np.full(37, -180.0), lat), encoder.embed(np.full(37, 180.0), lat), atol=1e-5)
    for pole in (-90.0, 90.0):
        here = encoder.embed(np.linspace(-360, 360, 25), np.full(25, pole))
        assert_allclose(here, np.broadcast_to(here[0], here.shape), atol=1e-5)


def test_a_dry_run_is_one_step_and_still_saves(tmp_path):
    (tmp_path / "dry").mkdir()
    facts = train.fit(scenes(), tmp_path / "dry", options(), Machine("cpu", fast_dev_run=True, progress=False))
    assert facts["steps"] == 1
    assert LocationEncoder.load(tmp_path / "dry" / "location.ckpt").dim == 16


def test_the_rate_rises_and_falls():
    shares = [train.share(100, step) for step in range(100)]
    assert shares[0] == pytest.approx(0.1)
    assert max(shares) == shares[9] == shares[10] == 1
    assert all(a > b for a, b in pairwise(shares[10:]))
    assert shares[-1] < 0.001
    assert [train.share(1, 0), train.share(2, 1)] == [1, 1]


def test_a_killed_training_ends_with_the_same_bytes(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(resume, "SHARE", 1e9)
    machine = Machine("cpu", threads=1, progress=False, resume=tmp_path / "parts")
    step, steps = train.Learner.training_step, []

    def killed(self, batch):
        steps.append(1)
        if len(steps) == 50:
            raise KeyError("killed")
        return step(self, batch)

    (tmp_path / "killed").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(train.Learner, "training_step", killed)
        with pytest.raises(KeyError, match="killed"):
            train.fit(scenes(), tmp_path / "killed", options(), machine)
    assert resume.finished_epochs(tmp_path / "parts") == 2
    (tmp_path / "again").mkdir()
    facts = train.fit(scenes(), tmp_path / "again", options(), machine)
    out, wanted = trained
    assert {k: v for k, v in facts.items() if k != "seconds"} == {k: v for k, v in wanted.items() if k != "seconds"}
    for name in (train.LOCATION, train.IMAGE):
        weights = [torch.load(folder / name, weights_only=True)["state_dict"] for folder in (out, tmp_path / "again")]
        assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())


@pytest.mark.slow
def test_two_processes_train_as_one_does(tmp_path):
    """Every place is compared with the images of all processes."""
    facts = []
    for devices in (1, 2):
        out = tmp_path / str(devices)
        out.mkdir()
        machine = Machine("cpu", threads=devices, progress=False, devices=devices)
        facts.append(train.fit(scenes(500), out, options(epochs=2, batch_size=63, regression=0.5), machine))
        assert sorted(path.name for path in out.iterdir()) == ["history.csv", "image.ckpt", "location.ckpt"]
    for name, value in facts[0].items():
        if name not in ("seconds", "bands", "source", "image_start"):
            assert facts[1][name] == pytest.approx(value, rel=1e-2, abs=2e-2), name
