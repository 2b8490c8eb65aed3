"""A training in two processes is the training of one: the same batches, losses, measures and weights."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse

from glc import config
from glc.errors import GlcError
from glc.nets import trainer
from glc.nets.inputs.features import Features, Layout
from glc.registry import models
from glc.training import batch_norm, resume
from glc.training.machine import Machine
from glc.training.part import Part
from tests.nets import example_tables

CLASSES, ROWS, BATCH = (
    12,
    67,
    16,
)  # the last batch has three rows, that of the validation one, of which a process has none
SHARED = config.Train(max_epochs=4, batch_size=BATCH, learning_rate=3e-3, patience=9)  # 20 steps
PLACES = config.Choice("geolocation", {"latent": 16, "jitter_m": 0.0})
TILES = config.Choice("tile_cnn", {"channels": 8, "reduced": 4, "latent": 8, "symmetries": False})
TIGHNARI = config.Choice("tighnari", models.get("tighnari").trial | {"mixup": 0.0})
LAYOUTS = {
    "tiles": Layout("pixels", ("red", "nir"), 32, 32, 32),
    "landsat_cube": Layout("cube", ("red", "nir"), 4, 21),
    "environment": Layout("table", ("altitude", "ph", "slope"), 1, 1),
}
_FIT = trainer._fit


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return example_tables.write(
        tmp_path_factory.mktemp("tables"), {"train": ROWS, "valid": 33}, CLASSES, least_weight=0.5
    )


def features(model):
    """Imagery of the surveys; of Tighnari's graph some are hidden at random as they are read."""
    if model.name == "geolocation":
        return None
    rng = np.random.default_rng(7)
    keys = np.column_stack([np.ones(200, np.int64), np.arange(200)])
    layouts = LAYOUTS if model.name == "tighnari" else {"tiles": Layout("coeffs", ("red", "nir"), 8, 8, 32)}
    values = {name: rng.normal(size=(200, *layout.shape)).astype(np.float32) for name, layout in layouts.items()}
    known = {name: np.ones((200, len(layout.bands)), bool) for name, layout in layouts.items()}
    imagery = Features(dict(layouts), values, known, dict.fromkeys(layouts, keys))
    if model.name == "tighnari":
        graph = sparse.random(200, CLASSES, 0.3, "csr", np.float32, random_state=1)
        imagery.add_graph("gfv", graph, np.arange(CLASSES), keys)
    return imagery


def recorded(machine, out, **settings):
    """The training, which leaves the losses of its steps, and the surveys that each process was given."""
    losses, surveys = [], []
    step, log = trainer.Learner.training_step, trainer.Learner.log

    def training_step(learner, batch):
        surveys.append(
            batch["surveyId"][: learner.part.own(int(batch["batch_rows"]))]
            if "batch_rows" in batch
            else batch["surveyId"]
        )
        return step(learner, batch)

    def logged(learner, name, value, **more):
        if name == "train_loss":
            losses.append(float(value))
        log(learner, name, value, **more)

    trainer.Learner.training_step, trainer.Learner.log = training_step, logged
    try:
        return _FIT(machine=machine, out=out, **settings)
    finally:
        trainer.Learner.training_step, trainer.Learner.log = step, log
        torch.save((losses, surveys), out / f"{machine.part.index}.losses")


def fit(tables, out, model, train=SHARED, devices=1, **machine):
    out.mkdir(exist_ok=True)
    machine = Machine("cpu", devices, progress=False, devices=devices, **machine)
    return trainer.fit(
        *tables, out, model=model, train_config=train, n_classes=CLASSES, features=features(model), machine=machine
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "loss"),
    [(PLACES, "asl"), (TILES, "bce"), (PLACES, "sigmoid_f1"), (TIGHNARI, "bce")],
    ids=["geolocation, a sum", "tile_cnn, batch norm, a mean", "geolocation, all rows at once", "tighnari"],
)
def test_two_processes_have_the_losses_of_one(tables, tmp_path, monkeypatch, model, loss):
    monkeypatch.setattr(trainer, "_fit", recorded)
    train = SHARED if loss == "asl" else config.Train(**vars(SHARED) | {"loss": config.Choice(loss)})
    if model is TIGHNARI:  # Adam makes whole steps of gradients that are only rounding, as those of unused keys
        train = config.Train(**vars(train) | {"optimizer": "sgd"})
    facts = [fit(tables, tmp_path / str(devices), model, train, devices) for devices in (1, 2)]
    alone, *both = (
        torch.load(tmp_path / name, weights_only=True) for name in ("1/0.losses", "2/0.losses", "2/1.losses")
    )
    assert len(alone[0]) == 20
    for losses, _ in both:
        np.testing.assert_allclose(losses, alone[0], rtol=1e-4)
    for epoch in range(4):
        steps = slice(5 * epoch, 5 * epoch + 5)
        seen = torch.cat([*itertools.chain(*(surveys[steps] for _, surveys in both))])
        assert sorted(seen.tolist()) == list(range(ROWS))
    for name, value in facts[0].items():
        if name != "seconds":
            assert facts[1][name] == pytest.approx(value, rel=1e-3), name
    nets = [torch.load(tmp_path / f"{devices}/model.ckpt", weights_only=True)["state_dict"] for devices in (1, 2)]
    assert nets[0].keys() == nets[1].keys()
    for name, weights in nets[0].items():
        torch.testing.assert_close(nets[1][name], weights, rtol=1e-2, atol=2e-3, msg=name)


class KilledError(GlcError):
    """In place of a kill."""


def killed(machine, **settings):
    """The training, of which one process fails in its third epoch, and which saves every epoch."""
    resume.LEAST_SECONDS, resume.SHARE = 0.0, 1e9
    start = trainer.Learner.on_train_epoch_start

    def fail(learner):
        start(learner)
        if learner.current_epoch == 2 and not machine.part.first:
            raise KilledError("killed")

    trainer.Learner.on_train_epoch_start = fail
    try:
        return _FIT(machine=machine, **settings)
    finally:
        trainer.Learner.on_train_epoch_start = start


@pytest.mark.slow
def test_two_processes_continue_where_they_were_killed(tables, tmp_path, monkeypatch):
    """Each with its own random numbers: both move the places and drop units."""
    model = config.Choice("geolocation", {"latent": 16, "jitter_m": 500.0, "dropout": 0.3})
    train = config.Train(**vars(SHARED) | {"find_learning_rate": True})
    fit(tables, tmp_path / "left alone", model, train, 2)
    with monkeypatch.context() as patched:
        patched.setattr(trainer, "_fit", killed)
        with pytest.raises(KilledError):
            fit(tables, tmp_path / "killed", model, train, 2, resume=tmp_path / "parts")
    assert resume.finished_epochs(tmp_path / "parts") == 2
    fit(tables, tmp_path / "killed", model, train, 2, resume=tmp_path / "parts")
    nets = [(tmp_path / name / "model.ckpt").read_bytes() for name in ("left alone", "killed")]
    assert nets[0] == nets[1]
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == ["history.csv", "model.ckpt"]


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("axes", [(), (5,), (3, 4)])
def test_shared_batch_norm_is_torchs_on_a_whole_batch(monkeypatch, axes, momentum):
    monkeypatch.setattr(batch_norm, "all_reduce", lambda values: values)
    kind = [torch.nn.BatchNorm1d, torch.nn.BatchNorm1d, torch.nn.BatchNorm2d][len(axes)]
    own, other = (kind(6, momentum=momentum) for _ in range(2))
    holder = torch.nn.Sequential(other)
    assert len(batch_norm.share(holder, Part(0, 2))) == 1
    assert holder.state_dict().keys() == {f"0.{name}" for name in own.state_dict()}
    for seed in range(3):
        x = torch.randn(9, 6, *axes, generator=torch.Generator().manual_seed(seed)) * 3 + 5
        inputs = [x.clone().requires_grad_() for _ in range(2)]
        outputs = [layer(given) for layer, given in zip((own, holder), inputs, strict=True)]
        torch.testing.assert_close(*outputs)
        gradients = [torch.autograd.grad((y**3).sum(), given)[0] for y, given in zip(outputs, inputs, strict=True)]
        torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-3)
    for name, value in own.state_dict().items():
        torch.testing.assert_close(holder.state_dict()[f"0.{name}"], value)
    torch.testing.assert_close(holder.eval()(x), own.eval()(x))


@pytest.mark.slow
def test_a_compiled_net_has_the_losses_of_one_that_is_not(tables, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "_fit", recorded)
    for name, compiled in (("plain", False), ("compiled", True)):
        fit(tables, tmp_path / name, PLACES, compile=compiled)
    plain, compiled = (torch.load(tmp_path / name / "0.losses", weights_only=True)[0] for name in ("plain", "compiled"))
    np.testing.assert_allclose(compiled, plain, rtol=1e-4)
    assert Path(tmp_path / "compiled" / "model.ckpt").is_file()
