"""A training that is killed and started again ends with the bytes of one that was left alone."""

import contextlib
import csv
import random
import signal

import numpy as np
import pytest
import torch
from scipy import sparse

from glc import config
from glc.nets import trainer
from glc.nets.inputs import tables as imagery
from glc.nets.inputs.features import Features, Layout
from glc.registry import models
from glc.training import resume
from glc.training.machine import Machine
from tests.nets import example_tables
from tests.nets.inputs.test_streamed import write_tiles

CLASSES = 12
LAYOUTS = {
    "tiles": Layout("pixels", ("red", "nir"), 32, 32, 32),
    "landsat_cube": Layout("cube", ("red", "nir"), 4, 21),
    "environment": Layout("table", ("altitude", "ph", "slope"), 1, 1),
}
SCHEDULED = config.Train(
    max_epochs=9, batch_size=16, learning_rate=1e-2, find_learning_rate=True, milestones=(3, 6), gamma=0.5, patience=9
)
SELDOM = config.Train(
    config.Choice("bce"), max_epochs=6, batch_size=16, learning_rate=3e-3, validate_every=2, patience=5
)
MIXED = config.Train(config.Choice("bce"), max_epochs=4, batch_size=16, learning_rate=3e-3)
STOPPED = config.Train(max_epochs=50, batch_size=16, learning_rate=1e-12, patience=2)
PLACES = config.Choice("geolocation", {"latent": 16, "jitter_m": 500.0, "dropout": 0.3})
TIGHNARI = config.Choice("tighnari", models.get("tighnari").trial | {"mixup": 0.4, "symmetries": True})
TILES = config.Choice("tile_cnn", {"channels": 8, "reduced": 4, "latent": 8, "dropout": 0.2})


class KilledError(Exception):
    """In place of a kill."""


@pytest.fixture(autouse=True)
def _every_epoch_is_saved(monkeypatch):
    monkeypatch.setattr(resume, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(resume, "SHARE", 1e9)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return example_tables.write(tmp_path_factory.mktemp("tables"), {"train": 70, "valid": 30}, CLASSES)


def features(model):
    """Imagery of the surveys; of Tighnari's graph some are hidden at random as they are read."""
    if model is PLACES:
        return None
    rng = np.random.default_rng(7)
    keys = np.column_stack([np.ones(200, np.int64), np.arange(200)])
    layouts = LAYOUTS if model is TIGHNARI else {"tiles": Layout("coeffs", ("red", "nir"), 8, 8, 32)}
    values = {name: rng.normal(size=(200, *layout.shape)).astype(np.float32) for name, layout in layouts.items()}
    known = {name: np.ones((200, len(layout.bands)), bool) for name, layout in layouts.items()}
    imagery = Features(dict(layouts), values, known, dict.fromkeys(layouts, keys))
    if model is TIGHNARI:
        graph = sparse.random(200, CLASSES, 0.3, "csr", np.float32, random_state=1)
        imagery.add_graph("graph", graph, np.arange(CLASSES), keys, np.full(200, 0.5), seed=3)
    return imagery


def fit(tables, out, folder, model, settings, streamed=None, **machine):
    out.mkdir()
    machine = Machine("cpu", progress=False, resume=folder, **machine)
    facts = trainer.fit(
        *tables,
        out,
        model=model,
        train_config=settings,
        n_classes=CLASSES,
        features=streamed or features(model),
        machine=machine,
    )
    with open(out / "history.csv", newline="") as file:
        rows = [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]
    return {name: value for name, value in facts.items() if name != "seconds"}, rows, (out / "model.ckpt").read_bytes()


@contextlib.contextmanager
def killed_after(steps):
    """Trainings end as if killed after this many steps; steps of the learning-rate finder do not count."""
    step, left = trainer.Learner.training_step, iter(range(steps))

    def counted(self, batch):
        if self.trainer.max_epochs > 0 and next(left, None) is None:
            raise KilledError
        return step(self, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer.Learner, "training_step", counted)
        with contextlib.suppress(KilledError):
            yield


@pytest.mark.parametrize(
    ("model", "settings", "memory_bytes"),
    [
        (PLACES, SCHEDULED, 1 << 30),
        (PLACES, SELDOM, 0),  # read at each epoch, in random order
        (PLACES, STOPPED, 1 << 30),
        pytest.param(TILES, SCHEDULED, 1 << 30, marks=pytest.mark.slow),
        pytest.param(TIGHNARI, MIXED, 1 << 30, marks=pytest.mark.slow),
    ],
    ids=["places-scheduled", "places-streamed", "places-stopped", "tiles-scheduled", "tighnari-mixup"],
)
def test_a_killed_fit_ends_with_the_same_bytes(tables, tmp_path, monkeypatch, model, settings, memory_bytes):
    wanted = fit(tables, tmp_path / "whole", None, model, settings, memory_bytes=memory_bytes)
    finder, found = trainer._find_learning_rate, []
    monkeypatch.setattr(trainer, "_find_learning_rate", lambda *args: (found.append(1), finder(*args)))
    folder, draw = tmp_path / "parts", random.Random(model.name + str(memory_bytes))
    total = 5 * len(wanted[1])
    done = 0
    for number in range(2):
        steps = draw.randrange(5, max((total - done) // 2, 6))
        with killed_after(steps):
            fit(tables, tmp_path / f"killed-{number}", folder, model, settings, memory_bytes=memory_bytes)
        done += steps // 5 * 5
        assert resume.finished_epochs(folder) == done // 5
        assert len(list(folder.iterdir())) == 1
        random.random(), np.random.random(), torch.rand(3)  # another process would not be where this one is
    assert fit(tables, tmp_path / "again", folder, model, settings, memory_bytes=memory_bytes) == wanted
    assert len(found) == settings.find_learning_rate


def test_a_killed_fit_on_streamed_imagery_ends_with_the_same_bytes(tables, tmp_path):
    write_tiles(tmp_path / "tiles", surveys=200, group=10, side=8)
    (tmp_path / "scratch").mkdir()

    def read():
        inputs = (config.Input("sentinel2", block=8, size=32),)
        return imagery.read(inputs, [[tmp_path / "tiles"]], memory_bytes=10 << 10, scratch=tmp_path / "scratch")

    assert read().reading is not None
    wanted = fit(tables, tmp_path / "whole", None, TILES, MIXED, read())
    with killed_after(7):
        fit(tables, tmp_path / "killed", tmp_path / "parts", TILES, MIXED, read())
    assert resume.finished_epochs(tmp_path / "parts") == 1
    assert fit(tables, tmp_path / "again", tmp_path / "parts", TILES, MIXED, read()) == wanted


def test_a_fit_that_was_killed_after_its_last_epoch_trains_no_more(tables, tmp_path):
    for name, settings in (("all", SELDOM), ("early", STOPPED)):
        wanted = fit(tables, tmp_path / f"{name}-whole", tmp_path / name, PLACES, settings)
        assert resume.finished_epochs(tmp_path / name) == len(wanted[1])
        with killed_after(0):
            again = fit(tables, tmp_path / f"{name}-again", tmp_path / name, PLACES, settings)
        assert again == wanted


def test_a_checkpoint_is_written_whole_or_not_at_all(tables, tmp_path, monkeypatch):
    wanted = fit(tables, tmp_path / "whole", None, PLACES, SELDOM)
    save, calls = torch.save, []

    def cut_short(content, path, *more):
        calls.append(path)
        save(content, path, *more)
        if len(calls) == 3:
            with open(path, "r+b") as file:
                file.truncate(1000)
            raise KilledError

    monkeypatch.setattr(torch, "save", cut_short)
    with pytest.raises(KilledError):
        fit(tables, tmp_path / "killed", tmp_path / "parts", PLACES, SELDOM)
    assert resume.finished_epochs(tmp_path / "parts") == 2
    monkeypatch.setattr(torch, "save", save)
    assert fit(tables, tmp_path / "again", tmp_path / "parts", PLACES, SELDOM) == wanted


@pytest.mark.parametrize("fault", ["truncated", "code", "version"])
def test_a_checkpoint_that_cannot_be_used_is_reported_and_left(tables, tmp_path, monkeypatch, caplog, fault):
    short = config.Train(max_epochs=2, batch_size=16)
    wanted = fit(tables, tmp_path / "whole", tmp_path / "parts", PLACES, short)
    path = tmp_path / "parts" / "2.ckpt"
    if fault == "truncated":
        path.write_bytes(path.read_bytes()[:5000])
    elif fault == "code":
        torch.save({"glc": KilledError()}, path)
    else:
        monkeypatch.setattr(resume, "__version__", "0.0.0")
    caplog.set_level("WARNING", "glc")
    assert fit(tables, tmp_path / "again", tmp_path / "parts", PLACES, short) == wanted
    (record,) = caplog.records
    assert str(path) in record.getMessage()
    assert record.getMessage().endswith("the training starts again")


def test_short_epochs_are_not_all_saved(tables, tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "LEAST_SECONDS", 1000.0)
    fit(tables, tmp_path / "out", tmp_path / "parts", PLACES, SELDOM)
    assert not (tmp_path / "parts").exists()


def test_a_resumed_fit_says_so(tables, tmp_path, reports):
    with killed_after(17):
        fit(tables, tmp_path / "killed", tmp_path / "parts", PLACES, SELDOM)
    machine = Machine("cpu", resume=tmp_path / "parts")
    (tmp_path / "again").mkdir()
    trainer.fit(*tables, tmp_path / "again", model=PLACES, train_config=SELDOM, n_classes=CLASSES, machine=machine)
    texts = [what for what, _, _ in reports]
    assert "epoch 4 of at most 6, resuming after epoch 3" in texts
    assert max(done for _, done, _ in reports) <= 30


def test_an_interrupt_reaches_the_caller_and_not_as_a_failure(tables, tmp_path, monkeypatch):
    def interrupted(self, batch):
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer.Learner, "training_step", interrupted)
    before = signal.getsignal(signal.SIGINT)
    for settings in (SELDOM, SCHEDULED):  # the second has a finder
        with pytest.raises(KeyboardInterrupt):
            fit(tables, tmp_path / f"{settings.max_epochs}", None, PLACES, settings)
        assert signal.getsignal(signal.SIGINT) is before


def test_random_states_come_back_as_they_were():
    state = resume.random_state()
    drawn = random.random(), random.gauss(0, 1), np.random.normal(), torch.rand(1).item()
    resume.set_random_state(state)
    assert (random.random(), random.gauss(0, 1), np.random.normal(), torch.rand(1).item()) == drawn
