"""A training that all folds share gives each the net that a training for it alone would have given."""

import csv

import pytest
import torch

from glc import config
from glc.nets import checkpoints, epochs, trainer
from glc.nets.checkpoints import CHECKPOINT
from glc.training.machine import Machine
from tests.nets import example_tables
from tests.nets.test_resume import PLACES, TILES, features, killed_after

CLASSES = 12
MACHINE = Machine("cpu", progress=False)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """The training's examples, and a table that stops it."""
    root = tmp_path_factory.mktemp("tables")
    example_tables.write(root, {"train": 70, "one": 30}, CLASSES)
    return root


def settings(**changes):
    plain = {"max_epochs": 8, "batch_size": 16, "learning_rate": 3e-2, "patience": 2, "monitor": "loss"}
    plain["loss"] = config.Choice("bce")
    return config.Train(**(plain | changes))


def trained(tables, valid, out, model, train, resume=None, pretrained=None):
    """What `trainer.fit` returns of the training examples, stopped by the table `valid`, or by none."""
    out.mkdir(exist_ok=True)
    return trainer.fit(
        tables / "train",
        tables / valid if valid else None,
        out,
        model=model,
        train_config=train,
        n_classes=CLASSES,
        features=features(model),
        pretrained=pretrained,
        machine=Machine("cpu", progress=False, resume=resume),
    )


def chosen(tables, valid, shared, out, model, train):
    out.mkdir()
    return epochs.choose(
        shared,
        tables / "train",
        tables / valid,
        out,
        model=model,
        train_config=train,
        n_classes=CLASSES,
        features=features(model),
        machine=MACHINE,
    )


def rows(folder):
    with open(folder / "history.csv", newline="") as file:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]


def assert_same(path, other):
    """Checkpoints with the same content; the archives differ in the name of their folder."""
    first, second = (torch.load(each, weights_only=True) for each in (path, other))
    states = first.pop("state_dict"), second.pop("state_dict")
    assert first == second
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


@pytest.mark.parametrize(
    ("model", "train"),
    [
        (PLACES, settings()),
        (PLACES, settings(loss=config.Choice("cross_entropy"), validate_every=2, patience=3)),
        (TILES, settings(max_epochs=4, milestones=(2,), monitor="f1")),
    ],
    ids=["places", "one species each, every second epoch", "imagery"],
)
def test_a_fold_gets_the_net_that_its_own_training_gives(tables, tmp_path, model, train):
    trained(tables, None, tmp_path / "shared", model, train)
    ends = set()
    for valid in ("one", "train"):
        alone, picked = tmp_path / f"{valid} alone", tmp_path / f"{valid} picked"
        wanted = trained(tables, valid, alone, model, train)
        got = chosen(tables, valid, tmp_path / "shared", picked, model, train)
        assert_same(picked / CHECKPOINT, alone / CHECKPOINT)
        assert rows(picked) == rows(alone)
        assert {**got, "seconds": 0} == {**wanted, "seconds": 0}
        ends.add((got["best_epoch"], got["epochs"]))
    if train == settings():
        assert len(ends) == 2, "both tables stop it after the same epoch: nothing was chosen"


def test_an_encoder_that_is_kept_is_the_pretrained_one(tables, tmp_path):
    train = settings(max_epochs=2, freeze=True)
    encoder = checkpoints.make(TILES, CLASSES, features(TILES).layouts).encoder
    checkpoints.save_encoder(tmp_path / "encoder.ckpt", encoder, {})
    wanted = trained(tables, "one", tmp_path / "alone", TILES, train, pretrained=tmp_path / "encoder.ckpt")
    trained(tables, None, tmp_path / "shared", TILES, train, pretrained=tmp_path / "encoder.ckpt")
    got = chosen(tables, "one", tmp_path / "shared", tmp_path / "picked", TILES, train)
    assert_same(tmp_path / "picked" / CHECKPOINT, tmp_path / "alone" / CHECKPOINT)
    assert {**got, "seconds": 0} == {**wanted, "seconds": 0}
    kept = torch.load(tmp_path / "picked" / CHECKPOINT, weights_only=True)["state_dict"]
    for name, value in encoder.state_dict().items():
        assert torch.equal(kept[f"encoder.{name}"], value)


def test_a_killed_training_of_all_folds_keeps_its_earlier_epochs(tables, tmp_path, monkeypatch):
    monkeypatch.setattr("glc.training.resume.LEAST_SECONDS", 0.0)
    monkeypatch.setattr("glc.training.resume.SHARE", 1e9)
    train = settings(max_epochs=4)
    trained(tables, None, tmp_path / "whole", PLACES, train)
    with killed_after(12):  # of five steps an epoch
        trained(tables, None, tmp_path / "first", PLACES, train, tmp_path / "parts")
    assert not list((tmp_path / "first").glob("*.ckpt"))
    trained(tables, None, tmp_path / "second", PLACES, train, tmp_path / "parts")
    names = [f"epoch-{number}.ckpt" for number in range(4)]
    assert sorted(path.name for path in (tmp_path / "second").glob("*.ckpt")) == names
    for name in names:
        assert_same(tmp_path / "second" / name, tmp_path / "whole" / name)


def test_a_net_that_diverges_is_refused(tables, tmp_path):
    train = settings(max_epochs=2)
    trained(tables, None, tmp_path / "shared", PLACES, train)
    path = tmp_path / "shared" / "epoch-0.ckpt"
    content = torch.load(path, weights_only=True)
    for value in content["state_dict"].values():
        value.mul_(float("nan"))
    torch.save(content, path)
    with pytest.raises(Exception, match=r"training diverged: valid_loss is nan in epoch 0; lower train.learning_rate"):
        chosen(tables, "one", tmp_path / "shared", tmp_path / "picked", PLACES, train)
